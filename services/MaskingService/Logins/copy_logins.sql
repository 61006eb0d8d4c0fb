COPY user_logins (create_date, message_id, user_id, device_type, masked_ip, masked_device_id, locale, app_version) FROM STDIN (FORMAT binary)
