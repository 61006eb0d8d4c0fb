-- Adds copied logins to the shadow and says how far the copy is.
INSERT INTO user_logins_shadow (create_date, message_id, user_id, device_type, masked_ip, masked_device_id, locale, app_version)
SELECT * FROM unnest(@create_dates, @message_ids, @user_ids, @device_types, @masked_ips, @masked_device_ids, @locales, @app_versions)
ON CONFLICT (create_date, message_id) DO NOTHING;

UPDATE rotations
SET copied_date = @copied_date, copied_id = @copied_id, copied = copied + cardinality(@message_ids), seconds = seconds + @seconds,
    last_change = pg_current_xact_id(), phase = CASE WHEN @is_last THEN 'settling' ELSE phase END
WHERE number = @number;
