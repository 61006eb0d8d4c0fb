SELECT erasure_id, fingerprint, key_id, erased_at, reapplied, user_id
FROM erasures
WHERE completed_at IS NULL
ORDER BY erasure_id;
