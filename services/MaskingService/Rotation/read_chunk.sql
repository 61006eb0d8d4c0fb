-- The next logins in the order of their keys, and whether others come in at the moment.
--
-- The lock first, in a statement of its own: what somebody deletes is gone from the snapshot below, or waits until this chunk is committed
-- and then leaves the shadow too. Rows that came in after the rotation began are met here as well and are in the shadow already.
SELECT pg_advisory_xact_lock(login_copy_lock());

-- By the primary key, whatever the statistics say: today's rows came in since they were gathered, and a planner that believes that there are
-- hardly any reads and sorts all of them for each chunk.
SET LOCAL enable_seqscan = off;
SET LOCAL enable_bitmapscan = off;
SET LOCAL enable_sort = off;

SELECT create_date, message_id, user_id, device_type, masked_ip, masked_device_id, locale, app_version
FROM user_logins
WHERE create_date >= @after_date AND (create_date, message_id) > (@after_date, @after_id)
ORDER BY create_date, message_id
LIMIT @count;

SELECT committed_at > clock_timestamp() - interval '2 seconds' FROM ledger ORDER BY entry_id DESC LIMIT 1;
