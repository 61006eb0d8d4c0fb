-- Erasures of the users that a batch is about.
SELECT fingerprint, erasure_id, erased_at, completed_at IS NULL AS is_pending
FROM erasures
WHERE fingerprint = ANY (@fingerprints);
