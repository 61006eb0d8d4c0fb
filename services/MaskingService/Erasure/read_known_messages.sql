-- Which of these messages are accounted for already: an erasure has deleted or kept them out, or is about to delete them.
SELECT message_id, true AS is_erased FROM erased_messages WHERE message_id = ANY (@message_ids)
UNION ALL
SELECT message_id, false FROM user_logins WHERE (create_date, message_id) IN (SELECT * FROM unnest(@create_dates, @message_ids))
UNION ALL
SELECT message_id, false FROM seen_messages WHERE message_id = ANY (@message_ids)
UNION ALL
SELECT message_id, false FROM quarantine WHERE message_id = ANY (@message_ids);
