-- What was kept out, in one order for all writers, and which new logins an erasure that is still under way must leave alone.
INSERT INTO erased_messages (message_id, erased_at)
SELECT message_id, erased_at FROM unnest(@erased_ids, @erased_ats) AS erased (message_id, erased_at)
ORDER BY message_id
ON CONFLICT DO NOTHING;

INSERT INTO erasure_spared (erasure_id, message_id)
SELECT erasure_id, message_id FROM unnest(@erasure_ids, @spared_ids) AS spared (erasure_id, message_id)
ORDER BY erasure_id, message_id
ON CONFLICT DO NOTHING;
