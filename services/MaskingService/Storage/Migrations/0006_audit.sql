-- What people did with personal values: appended, never changed, each record chained to the one before it.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'pii_people') THEN
        CREATE ROLE pii_people NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;   -- made by another database's migration at this very moment
END
$$;

GRANT USAGE ON SCHEMA public TO pii_people;

-- Only plain columns: arrays and JSON have several forms of one value, and an edit between them would not show in the chain.
CREATE TABLE audit (
    number        bigint PRIMARY KEY,
    recorded_at   timestamptz NOT NULL,
    action        text NOT NULL,
    outcome       text NOT NULL,
    detail        text,
    subject       text,
    client        text,
    address       text,
    reason        text,
    ticket        text,
    field         text,
    target        text,
    tokens        integer NOT NULL,
    charged       integer NOT NULL,
    charged_today integer NOT NULL,
    fingerprints  bytea NOT NULL,
    key_ids       text NOT NULL,
    occurrences   integer NOT NULL,
    mac           bytea NOT NULL,
    CONSTRAINT numbers_begin_at_one CHECK (number >= 1),
    CONSTRAINT counts_are_not_negative CHECK (least(tokens, charged, charged_today) >= 0 AND occurrences >= 1)
);

-- The budget of a subject is in its last record.
CREATE INDEX audit_subject ON audit (subject, number) WHERE subject IS NOT NULL;

COMMENT ON TABLE audit IS 'Gapless and chained: mac is an HMAC, under the integrity keyset, over the mac before it and all other columns. Check with: MaskingService audit verify';
COMMENT ON COLUMN audit.recorded_at IS 'Of the last occurrence, where occurrences were counted';
COMMENT ON COLUMN audit.fingerprints IS 'One after the other, 37 bytes each: HMAC of a token or a message id under the integrity keyset';
COMMENT ON COLUMN audit.key_ids IS 'Keys of the tokens that were opened or made, separated by commas';
COMMENT ON COLUMN audit.charged IS 'What this record took from the subject''s budget of the day; charged_today is their sum so far';

CREATE TABLE audit_head (
    only_row boolean PRIMARY KEY DEFAULT true,
    number   bigint NOT NULL,
    mac      bytea NOT NULL,
    CONSTRAINT there_is_one_head CHECK (only_row)
);

INSERT INTO audit_head (number, mac) VALUES (0, '');

-- Locks the chain until the transaction ends and yields its end, and the last record of a subject, if there is one.
-- Each statement in here sees what was committed before it began, so what waited for the lock reads no stale row.
CREATE FUNCTION begin_audit(for_subject text, OUT last_number bigint, OUT last_mac bytea, OUT subject_at timestamptz, OUT subject_charged integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp
AS $$
BEGIN
    SELECT head.number, head.mac INTO STRICT last_number, last_mac FROM audit_head AS head FOR UPDATE;
    SELECT record.recorded_at, record.charged_today INTO subject_at, subject_charged
    FROM audit AS record WHERE record.subject = for_subject ORDER BY record.number DESC LIMIT 1;
END
$$;

-- Appends the record that follows the last one; the only way to do so for everybody but the owner.
CREATE FUNCTION append_audit(record audit) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp
AS $$
BEGIN
    UPDATE audit_head SET number = record.number, mac = record.mac WHERE number = record.number - 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the record does not follow the last one' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    INSERT INTO audit SELECT record.*;
END
$$;

REVOKE ALL ON FUNCTION begin_audit(text), append_audit(audit) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION begin_audit(text), append_audit(audit) TO pii_people;
GRANT SELECT ON audit, audit_head TO pii_people, pii_auditor;
GRANT SELECT ON schema_migrations TO pii_people;

-- A database is claimed by its integrity keyset too: records chained under two of them would verify under neither.
ALTER TABLE key_canaries DROP CONSTRAINT keyset_is_known;
ALTER TABLE key_canaries ADD CONSTRAINT keyset_is_known CHECK (keyset IN ('masking', 'quarantine', 'integrity'));
GRANT SELECT, INSERT ON key_canaries TO pii_people;
