-- By size, from where the page before ended; the key's order, backwards.
SELECT logins, token, users, first_seen, last_seen
FROM duplicate_groups
WHERE field = @field AND time_window = @time_window AND (logins, token) < (@before_logins, @before_token)
ORDER BY logins DESC, token DESC
LIMIT @count;

SELECT refreshed_at, since, groups, kept FROM duplicate_refreshes WHERE field = @field AND time_window = @time_window;
