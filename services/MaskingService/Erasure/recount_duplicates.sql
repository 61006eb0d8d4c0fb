-- Counts groups that lost a login anew, in the roll-up of one field and window. Groups that are not in it can only have become smaller.
-- masked_field stands for the field's column.
WITH touched AS (
    DELETE FROM duplicate_groups
    WHERE field = @field AND time_window = @time_window AND token = ANY (@tokens)
    RETURNING token
),
counted AS (
    INSERT INTO duplicate_groups (field, time_window, key_id, logins, token, users, first_seen, last_seen)
    SELECT @field, @time_window, (SELECT key_id FROM key_generation), count(*), masked_field, count(DISTINCT user_id), min(create_date), max(create_date)
    FROM user_logins
    WHERE masked_field = ANY (ARRAY(SELECT token FROM touched))
        AND create_date >= coalesce(
            (SELECT since FROM duplicate_refreshes
             WHERE field = @field AND time_window = @time_window AND key_id = (SELECT key_id FROM key_generation)), '-infinity'::date)
    GROUP BY masked_field
    HAVING count(*) > 1
    RETURNING token
)
UPDATE duplicate_refreshes
SET groups = groups - gone.number, kept = kept - gone.number
FROM (SELECT (SELECT count(*) FROM touched) - (SELECT count(*) FROM counted) AS number) AS gone
WHERE field = @field AND time_window = @time_window AND key_id = (SELECT key_id FROM key_generation);
