-- The same groups under another key, in place of those that were there.
DELETE FROM duplicate_groups WHERE field = @field AND time_window = @time_window AND key_id = @to_key_id;

INSERT INTO duplicate_groups (field, time_window, key_id, logins, token, users, first_seen, last_seen)
SELECT @field, @time_window, @to_key_id, logins, token, users, first_seen, last_seen
FROM unnest(@logins, @tokens, @users, @first_seens, @last_seens) AS remasked (logins, token, users, first_seen, last_seen);

DELETE FROM duplicate_refreshes WHERE field = @field AND time_window = @time_window AND key_id = @to_key_id;

INSERT INTO duplicate_refreshes (field, time_window, key_id, refreshed_at, since, groups, kept)
SELECT field, time_window, @to_key_id, refreshed_at, since, groups, kept
FROM duplicate_refreshes
WHERE field = @field AND time_window = @time_window AND key_id = @from_key_id;
