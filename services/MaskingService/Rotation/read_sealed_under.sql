-- Messages in quarantine that are sealed under one of some keys. What somebody replays or deletes at this moment is left to them.
SELECT message_id, sealed_payload
FROM quarantine
WHERE substring(sealed_payload FROM 2 FOR 4) = ANY (@keys) AND message_id > @after
ORDER BY message_id
LIMIT @count
FOR UPDATE SKIP LOCKED;
