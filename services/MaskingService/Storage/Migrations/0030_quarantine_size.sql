-- How much is in quarantine, kept by triggers, so that nobody has to count a table that may hold a million rows.
--
-- Sixteen rows for what comes in and sixteen for what goes out, chosen by the connection's process: writers hardly ever wait for each
-- other's commit. What comes in is counted as a writer's last lock, what goes out before a replay locks logins; rows of their own keep the
-- two from waiting for each other in a ring.
CREATE TABLE quarantine_changes (
    slot     smallint PRIMARY KEY,
    messages bigint NOT NULL,
    bytes    bigint NOT NULL
) WITH (fillfactor = 20);

INSERT INTO quarantine_changes (slot, messages, bytes) SELECT slot, 0, 0 FROM generate_series(0, 31) AS slot;

CREATE FUNCTION count_quarantined() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp
AS $$
BEGIN
    UPDATE quarantine_changes SET messages = quarantine_changes.messages + added.messages, bytes = quarantine_changes.bytes + added.bytes
    FROM (SELECT count(*) AS messages, sum(octet_length(sealed_payload)) AS bytes FROM changed) AS added
    WHERE slot = pg_backend_pid() % 16 AND added.messages > 0;
    RETURN NULL;
END
$$;

CREATE FUNCTION count_released() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp
AS $$
BEGIN
    UPDATE quarantine_changes SET messages = quarantine_changes.messages - gone.messages, bytes = quarantine_changes.bytes - gone.bytes
    FROM (SELECT count(*) AS messages, sum(octet_length(sealed_payload)) AS bytes FROM changed) AS gone
    WHERE slot = 16 + pg_backend_pid() % 16 AND gone.messages > 0;
    RETURN NULL;
END
$$;

CREATE FUNCTION count_none() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp
AS $$
BEGIN
    UPDATE quarantine_changes SET messages = 0, bytes = 0;
    RETURN NULL;
END
$$;

CREATE TRIGGER quarantined AFTER INSERT ON quarantine REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION count_quarantined();
CREATE TRIGGER released AFTER DELETE ON quarantine REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION count_released();
CREATE TRIGGER emptied AFTER TRUNCATE ON quarantine
    FOR EACH STATEMENT EXECUTE FUNCTION count_none();

-- Under the triggers' lock nothing comes in between.
UPDATE quarantine_changes SET messages = present.messages, bytes = present.bytes
FROM (SELECT count(*) AS messages, coalesce(sum(octet_length(sealed_payload)), 0) AS bytes FROM quarantine) AS present
WHERE slot = 0;

CREATE VIEW quarantine_totals AS
SELECT sum(messages)::bigint AS messages, sum(bytes)::bigint AS bytes FROM quarantine_changes;

COMMENT ON COLUMN quarantine_totals.bytes IS 'Of sealed payloads';

GRANT SELECT ON quarantine_totals TO pii_writer, pii_people, pii_steward, pii_auditor;
