-- Newest first, from where the page before ended. masked_field stands for the field's column.
--
-- The planner may walk the primary key backwards and filter, which is right for a token that is everywhere and endless for one
-- that is rare; for those the caller has search_rare_logins.sql.
SELECT user_id, device_type, masked_ip, masked_device_id, locale, app_version, create_date, message_id
FROM user_logins
WHERE masked_field = ANY (@tokens) AND create_date <= @before_date AND (create_date, message_id) < (@before_date, @before_id)
ORDER BY create_date DESC, message_id DESC
LIMIT @count;
