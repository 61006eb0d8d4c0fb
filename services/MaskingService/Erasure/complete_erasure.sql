UPDATE erasures SET completed_at = @completed_at, user_id = NULL, unopened = @unopened, unattributed = @unattributed
WHERE erasure_id = @erasure_id AND completed_at IS NULL;

DELETE FROM erasure_spared AS spared
WHERE NOT EXISTS (SELECT FROM erasures WHERE erasure_id = spared.erasure_id AND completed_at IS NULL);
