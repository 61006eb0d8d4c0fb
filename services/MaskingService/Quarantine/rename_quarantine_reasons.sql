-- What failed again stays, with its new reason.
UPDATE quarantine SET reason = failed.reason
FROM unnest(@message_ids, @reasons) AS failed (message_id, reason)
WHERE quarantine.message_id = failed.message_id AND quarantine.reason <> failed.reason;
