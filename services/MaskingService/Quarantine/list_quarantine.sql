-- Newest first, from where the page before ended.
SELECT message_id, sent_at, quarantined_at, reason, length(sealed_payload)
FROM quarantine
WHERE (quarantined_at, message_id) < (@before_at, @before_id)
    AND (@reason::text IS NULL OR reason = @reason)
ORDER BY quarantined_at DESC, message_id DESC
LIMIT @count;
