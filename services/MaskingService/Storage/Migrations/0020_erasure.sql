-- Users that were erased. What stays of them is a keyed fingerprint and the time, so that what was sent before that time is not stored
-- again, however late it comes. The version before goes on working; it keeps nobody out, so take it away before the first erasure.
CREATE TABLE erasures (
    erasure_id   uuid PRIMARY KEY,
    fingerprint  bytea NOT NULL,
    key_id       bigint NOT NULL,
    erased_at    timestamptz NOT NULL,
    reapplied    boolean NOT NULL DEFAULT false,
    user_id      varchar(128),
    logins       bigint NOT NULL DEFAULT 0,
    quarantined  bigint NOT NULL DEFAULT 0,
    unopened     bigint NOT NULL DEFAULT 0,
    unattributed bigint NOT NULL DEFAULT 0,
    completed_at timestamptz,
    CONSTRAINT key_id_is_32_bit CHECK (key_id BETWEEN 1 AND 4294967295),
    CONSTRAINT user_id_is_forgotten CHECK (completed_at IS NULL OR user_id IS NULL),
    CONSTRAINT counts_are_not_negative CHECK (least(logins, quarantined, unopened, unattributed) >= 0)
);

CREATE INDEX erasures_fingerprint ON erasures (fingerprint);
CREATE INDEX erasures_key ON erasures (key_id);
CREATE INDEX erasures_pending ON erasures (erasure_id) WHERE completed_at IS NULL;

COMMENT ON COLUMN erasures.fingerprint IS 'HMAC of the user id under the integrity keyset';
COMMENT ON COLUMN erasures.user_id IS 'While its logins are being deleted; null from then on';
COMMENT ON COLUMN erasures.reapplied IS 'Came from a receipt, to a database that was restored from before it';
COMMENT ON COLUMN erasures.unopened IS 'Messages in quarantine that did not open: whose they are is not known';
COMMENT ON COLUMN erasures.unattributed IS 'Messages in quarantine in which no user id can be read';

-- Messages that an erasure deleted or kept out: another delivery is neither stored, whatever time it gives, nor accounted for twice.
CREATE TABLE erased_messages (
    message_id uuid PRIMARY KEY,
    erased_at  timestamptz NOT NULL
);

-- Logins sent after an erasure and stored before it was completed: not to be deleted by it.
CREATE TABLE erasure_spared (
    erasure_id uuid NOT NULL,
    message_id uuid NOT NULL,
    PRIMARY KEY (erasure_id, message_id)
);

ALTER TABLE quarantine ADD COLUMN user_fingerprints bytea, ADD COLUMN fingerprint_key_id bigint;
COMMENT ON COLUMN quarantine.user_fingerprints IS 'Of each user id that can be read in the message, one after the other; empty if there is none, null if nobody has looked';
COMMENT ON COLUMN quarantine.fingerprint_key_id IS 'Key of the integrity keyset that made them';

ALTER TABLE ledger ADD COLUMN erased_again integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN ledger.erased_again IS 'Of those erased, messages that were accounted for before: stored or in quarantine until their user was erased, or delivered again since';

CREATE OR REPLACE VIEW ledger_totals AS
SELECT coalesce(sum(stored), 0)      AS stored,
       coalesce(sum(repeated), 0)    AS repeated,
       coalesce(sum(quarantined), 0) AS quarantined,
       coalesce(sum(erased), 0)      AS erased,
       coalesce(sum(stored + quarantined + erased - erased_again) FILTER (WHERE source = 'live'), 0) AS accounted
FROM ledger;

-- Deletes logins of the user of an erasure that is not completed, and of nobody else: that is why it runs as the owner, while
-- whoever may call it cannot delete a login otherwise. Yields the tokens of the deleted rows.
CREATE FUNCTION erase_logins(of_erasure uuid, dates date[], ids uuid[]) RETURNS TABLE (ip_token varchar, device_id_token varchar)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp
AS $$
DECLARE
    erased_user varchar;
BEGIN
    -- As writers do: the key, and with it the tables, must not change meanwhile.
    PERFORM pg_advisory_xact_lock_shared(key_generation_lock());
    SELECT erasure.user_id INTO erased_user FROM erasures AS erasure
    WHERE erasure.erasure_id = of_erasure AND erasure.completed_at IS NULL FOR NO KEY UPDATE;
    IF erased_user IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH gone AS (
        DELETE FROM user_logins AS login USING unnest(dates, ids) AS found (create_date, message_id)
        WHERE login.create_date = found.create_date AND login.message_id = found.message_id AND login.user_id = erased_user
        RETURNING login.message_id, login.masked_ip, login.masked_device_id
    ),
    noted AS (
        INSERT INTO erased_messages (message_id, erased_at)
        SELECT gone.message_id, erasure.erased_at FROM gone, erasures AS erasure WHERE erasure.erasure_id = of_erasure
        ON CONFLICT DO NOTHING
    ),
    counted AS (
        UPDATE erasures SET logins = logins + (SELECT count(*) FROM gone) WHERE erasure_id = of_erasure
    )
    SELECT gone.masked_ip, gone.masked_device_id FROM gone;
END
$$;

REVOKE ALL ON FUNCTION erase_logins(uuid, date[], uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erase_logins(uuid, date[], uuid[]) TO pii_people;

-- The writer keeps out what was erased; it learns neither who nor, while that is under way, which user id it was.
GRANT SELECT (erasure_id, fingerprint, key_id, erased_at, completed_at) ON erasures TO pii_writer;
GRANT SELECT, INSERT ON erased_messages TO pii_writer, pii_people;
GRANT INSERT ON erasure_spared TO pii_writer, pii_people;

-- People erase, and what was begun is finished on their side.
GRANT SELECT, INSERT, UPDATE (user_id, quarantined, unopened, unattributed, completed_at) ON erasures TO pii_people;
GRANT SELECT, DELETE ON erasure_spared TO pii_people;
GRANT UPDATE (user_fingerprints, fingerprint_key_id) ON quarantine TO pii_people;
GRANT SELECT ON erasures TO pii_auditor;
