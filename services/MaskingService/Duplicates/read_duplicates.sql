-- Under the key that the table is under: while a rotation runs the groups are there under the next one too, so that they change with the table.
--
-- By size, from where the page before ended; the key's order, backwards.
SELECT logins, token, users, first_seen, last_seen
FROM duplicate_groups
WHERE field = @field AND time_window = @time_window AND (logins, token) < (@before_logins, @before_token)
    AND key_id = (SELECT key_id FROM key_generation)
ORDER BY logins DESC, token DESC
LIMIT @count;

SELECT refreshed_at, since, groups, kept FROM duplicate_refreshes
WHERE field = @field AND time_window = @time_window AND key_id = (SELECT key_id FROM key_generation);
