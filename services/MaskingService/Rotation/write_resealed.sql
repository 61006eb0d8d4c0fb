UPDATE quarantine SET sealed_payload = resealed.sealed_payload
FROM unnest(@message_ids, @sealed_payloads) AS resealed (message_id, sealed_payload)
WHERE quarantine.message_id = resealed.message_id;
