-- Stores masked logins and sealed rejections and enters their counts in the ledger, in one statement. What was copied before it, in the same
-- transaction, is counted with them.
--
-- A redelivered message finds its message_id taken and inserts nothing, so that the caller may acknowledge either way.
-- Yields the identity of each row that this call added ('login' or 'quarantine'); everything else is a repeat.
--
-- While a rotation runs, what is stored is stored in the shadow as well, under the next key; what is a repeat is there already or is
-- copied. Of several deliveries in one batch the first one counts, in both tables.
WITH incoming AS (
    SELECT DISTINCT ON (create_date, message_id) *
    FROM unnest(@create_dates, @message_ids, @has_times, @user_ids, @device_types, @masked_ips, @masked_device_ids, @locales, @app_versions,
                @shadow_ips, @shadow_device_ids) WITH ORDINALITY
        AS login (create_date, message_id, has_time, user_id, device_type, masked_ip, masked_device_id, locale, app_version,
                  shadow_ip, shadow_device_id, position)
    ORDER BY create_date, message_id, position
),
-- Without a time of its own a message would get another date, and so another key, after midnight.
first_seen AS (
    INSERT INTO seen_messages (message_id, seen_on)
    SELECT message_id, create_date FROM incoming WHERE NOT has_time
    ORDER BY message_id
    ON CONFLICT DO NOTHING
    RETURNING message_id
),
stored AS (
    INSERT INTO user_logins (create_date, message_id, user_id, device_type, masked_ip, masked_device_id, locale, app_version)
    SELECT create_date, message_id, user_id, device_type, masked_ip, masked_device_id, locale, app_version
    FROM incoming
    WHERE has_time OR message_id IN (SELECT message_id FROM first_seen)
    ORDER BY create_date, message_id    -- two writers with common ids take their locks in one order
    ON CONFLICT (create_date, message_id) DO NOTHING
    RETURNING create_date, message_id
),
shadowed AS (
    INSERT INTO user_logins_shadow (create_date, message_id, user_id, device_type, masked_ip, masked_device_id, locale, app_version)
    SELECT create_date, message_id, user_id, device_type, shadow_ip, shadow_device_id, locale, app_version
    FROM stored JOIN incoming USING (create_date, message_id)
    WHERE @is_rotating
    ORDER BY create_date, message_id
    ON CONFLICT (create_date, message_id) DO NOTHING
),
quarantined AS (
    INSERT INTO quarantine (message_id, sent_at, reason, sealed_payload, user_fingerprints, fingerprint_key_id)
    SELECT message_id, sent_at, reason, sealed_payload, user_fingerprints, fingerprint_key_id
    FROM unnest(@rejected_ids, @rejected_sent_ats, @reasons, @sealed_payloads, @user_fingerprints, @fingerprint_key_ids)
        AS rejected (message_id, sent_at, reason, sealed_payload, user_fingerprints, fingerprint_key_id)
    ORDER BY message_id
    ON CONFLICT (message_id) DO NOTHING
    RETURNING message_id
),
entry AS (
    INSERT INTO ledger (source, stored, repeated, quarantined, erased, erased_again)
    SELECT @source, stored_count + @copied, cardinality(@message_ids) + cardinality(@rejected_ids) - stored_count - quarantined_count, quarantined_count,
        @erased, @erased_again
    FROM (SELECT count(*)::integer AS stored_count FROM stored) AS s,
         (SELECT count(*)::integer AS quarantined_count FROM quarantined) AS q
)
SELECT false AS is_quarantine, create_date, message_id FROM stored
UNION ALL
SELECT true, NULL, message_id FROM quarantined;
