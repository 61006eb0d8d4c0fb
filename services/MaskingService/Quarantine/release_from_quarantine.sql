-- Takes messages out of the quarantine. Locked in one order, so that two replays at once do not wait for each other in a ring;
-- the second finds nothing left.
WITH waiting AS (
    SELECT message_id FROM quarantine WHERE message_id = ANY (@message_ids) ORDER BY message_id FOR UPDATE
)
DELETE FROM quarantine USING waiting WHERE quarantine.message_id = waiting.message_id
RETURNING quarantine.message_id;
