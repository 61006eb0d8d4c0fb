-- Locked in one order, as a replay does.
WITH waiting AS (
    SELECT message_id FROM quarantine WHERE message_id = ANY (@message_ids) ORDER BY message_id FOR UPDATE
),
gone AS (
    DELETE FROM quarantine USING waiting WHERE quarantine.message_id = waiting.message_id
    RETURNING quarantine.message_id
),
noted AS (
    INSERT INTO erased_messages (message_id, erased_at)
    SELECT message_id, @erased_at FROM gone
    ON CONFLICT DO NOTHING
)
UPDATE erasures SET quarantined = quarantined + (SELECT count(*) FROM gone) WHERE erasure_id = @erasure_id;
