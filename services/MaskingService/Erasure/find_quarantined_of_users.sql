-- Messages in quarantine that may be of a user who is being erased: by a fingerprint, or to be opened because they have none that the
-- enabled keys can make. A stretch in the order of the keys.
SELECT message_id, sent_at, quarantined_at, user_fingerprints, has_fingerprints,
    CASE WHEN NOT has_fingerprints THEN sealed_payload END
FROM (
    SELECT *, coalesce(fingerprint_key_id = ANY (@key_ids), false) AS has_fingerprints FROM quarantine
) AS message
WHERE message_id > @after
    AND (NOT has_fingerprints
        OR EXISTS (SELECT FROM unnest(@fingerprints) AS fingerprint WHERE position(fingerprint IN user_fingerprints) > 0))
ORDER BY message_id
LIMIT @count;
