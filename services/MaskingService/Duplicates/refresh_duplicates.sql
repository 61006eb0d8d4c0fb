-- Counts the groups of one field and window anew and replaces the old ones, in the caller's transaction: a reader sees either.
-- masked_field stands for the field's column.
DELETE FROM duplicate_groups WHERE field = @field AND time_window = @time_window
    AND key_id = (SELECT key_id FROM key_generation);

WITH per_user AS (
    SELECT masked_field AS token, user_id, count(*) AS logins, min(create_date) AS first_seen, max(create_date) AS last_seen
    FROM user_logins
    WHERE @since::date IS NULL OR create_date >= @since
    GROUP BY masked_field, user_id
),
groups AS MATERIALIZED (
    SELECT token, sum(logins)::bigint AS logins, count(*) AS users, min(first_seen) AS first_seen, max(last_seen) AS last_seen
    FROM per_user
    GROUP BY token
    HAVING sum(logins) > 1
),
kept AS (
    INSERT INTO duplicate_groups (field, time_window, key_id, logins, token, users, first_seen, last_seen)
    SELECT @field, @time_window, (SELECT key_id FROM key_generation), logins, token, users, first_seen, last_seen
    FROM groups
    ORDER BY logins DESC, token DESC
    LIMIT @most
    RETURNING 1
)
INSERT INTO duplicate_refreshes (field, time_window, key_id, refreshed_at, since, groups, kept)
SELECT @field, @time_window, key_id, @refreshed_at, @since, (SELECT count(*) FROM groups), (SELECT count(*) FROM kept)
FROM key_generation
ON CONFLICT (field, time_window, key_id) DO UPDATE
SET refreshed_at = excluded.refreshed_at, since = excluded.since, groups = excluded.groups, kept = excluded.kept;
