-- A stretch of what is to be replayed, in the order of the keys: each message is met once, also if its reason changes meanwhile.
SELECT message_id, sent_at, quarantined_at, sealed_payload
FROM quarantine
WHERE message_id > @after
    AND (@message_id::uuid IS NULL OR message_id = @message_id)
    AND (@reason::text IS NULL OR reason = @reason)
ORDER BY message_id
LIMIT @count;
