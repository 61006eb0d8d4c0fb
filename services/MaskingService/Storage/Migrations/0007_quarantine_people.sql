-- What people do with messages in quarantine: list, look into, replay, delete.
CREATE INDEX quarantine_by_time ON quarantine (quarantined_at, message_id);

GRANT SELECT, INSERT, UPDATE (reason), DELETE ON quarantine TO pii_people;

-- A replay stores what the writer stores.
GRANT SELECT, INSERT ON user_logins TO pii_people;
GRANT INSERT, SELECT (message_id) ON seen_messages TO pii_people;
GRANT INSERT ON ledger TO pii_people;
GRANT SELECT ON key_generation TO pii_people;

-- A message that is replayed was accounted for when it came in.
CREATE OR REPLACE VIEW ledger_totals AS
SELECT coalesce(sum(stored), 0)      AS stored,
       coalesce(sum(repeated), 0)    AS repeated,
       coalesce(sum(quarantined), 0) AS quarantined,
       coalesce(sum(erased), 0)      AS erased,
       coalesce(sum(stored + quarantined + erased) FILTER (WHERE source = 'live'), 0) AS accounted
FROM ledger;
