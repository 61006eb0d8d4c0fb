-- Newest first, from where the page before ended. masked_field stands for the field's column.
--
-- Materialized, so that the few rows are found by the token's index whatever the planner believes about their number.
WITH found AS MATERIALIZED (
    SELECT user_id, device_type, masked_ip, masked_device_id, locale, app_version, create_date, message_id
    FROM user_logins
    WHERE masked_field = ANY (@tokens) AND create_date <= @before_date
)
SELECT * FROM found
WHERE (create_date, message_id) < (@before_date, @before_id)
ORDER BY create_date DESC, message_id DESC
LIMIT @count;
