-- The groups of one field and window under a key, and whether the other key is the next one still: who comes late changes nothing.
SELECT pg_advisory_xact_lock(rotation_lock());

SELECT EXISTS (SELECT FROM key_generation WHERE key_id = @from_key_id AND next_key_id = @to_key_id);

SELECT logins, token, users, first_seen, last_seen
FROM duplicate_groups
WHERE field = @field AND time_window = @time_window AND key_id = @from_key_id;
