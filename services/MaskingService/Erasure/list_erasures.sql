-- In the order of their times, from where the page before ended.
SELECT erasure_id, fingerprint, key_id, erased_at, completed_at, logins, quarantined, unopened, unattributed
FROM erasures
WHERE (erased_at, erasure_id) > (@after_at, @after_id)
    AND (@erasure_id::uuid IS NULL OR erasure_id = @erasure_id)
ORDER BY erased_at, erasure_id
LIMIT @count;
