-- What is old goes, if somebody has set an age for it. Functions of the owner, because dropping a partition is the owner's alone, and for
-- pii_steward only: the login that stores cannot take away. Each does a bounded piece of work; the caller repeats it.

-- Drops the oldest partition of user_logins that ends on or before a date; yields its name, or null if there is none. Behind a reader it
-- gives up soon, since writers queue up behind it, and the caller tries again. (DETACH … CONCURRENTLY cannot be had: it works neither
-- within a transaction nor beside a default partition.) By the partitions' bounds: their names change.
CREATE FUNCTION drop_old_login_partition(older_than date) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp
    SET lock_timeout = '500ms'
AS $$
DECLARE
    old     record;
    is_used boolean;
BEGIN
    FOR old IN
        SELECT partition, ends_on
        FROM (
            SELECT inhrelid::regclass AS partition,
                   substring(pg_get_expr(relpartbound, oid) FROM $re$TO \('(\d+-\d\d-\d\d)'\)$re$)::date AS ends_on
            FROM pg_inherits JOIN pg_class ON oid = inhrelid
            WHERE inhparent = 'user_logins'::regclass
        ) AS bounds
        WHERE ends_on <= older_than
        ORDER BY ends_on
    LOOP
        -- An empty one of last month or later would only be made again.
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', old.partition) INTO is_used;
        CONTINUE WHEN NOT is_used AND old.ends_on >= date_trunc('month', now() AT TIME ZONE 'UTC')::date;
        EXECUTE format('ALTER TABLE user_logins DETACH PARTITION %s', old.partition);
        EXECUTE format('DROP TABLE %s', old.partition);
        RETURN old.partition::text;
    END LOOP;
    RETURN NULL;
END
$$;

-- Logins in the default partition go one by one; the table is named, and not the partition, so that they leave a rotation's shadow too.
CREATE FUNCTION delete_old_odd_logins(older_than date, most integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp
AS $$
DECLARE
    gone bigint;
BEGIN
    DELETE FROM user_logins AS login USING (
        SELECT create_date, message_id FROM user_logins
        WHERE create_date < older_than
            AND tableoid = (SELECT partdefid FROM pg_partitioned_table WHERE partrelid = 'user_logins'::regclass)
        ORDER BY create_date, message_id
        LIMIT most
    ) AS old
    WHERE login.create_date = old.create_date AND login.message_id = old.message_id;
    GET DIAGNOSTICS gone = ROW_COUNT;
    DELETE FROM seen_messages WHERE message_id IN (SELECT message_id FROM seen_messages WHERE seen_on < older_than LIMIT most);
    RETURN gone;
END
$$;

CREATE FUNCTION delete_old_quarantined(older_than timestamptz, most integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp
AS $$
DECLARE
    gone bigint;
BEGIN
    DELETE FROM quarantine WHERE message_id IN (
        -- What a replay has in its hands is left to it.
        SELECT message_id FROM quarantine WHERE quarantined_at < older_than
        ORDER BY quarantined_at, message_id LIMIT most FOR UPDATE SKIP LOCKED
    );
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END
$$;

-- Sums of ledger entries that are gone.
CREATE TABLE ledger_carried (
    source       text PRIMARY KEY,
    entries      bigint NOT NULL,
    stored       bigint NOT NULL,
    repeated     bigint NOT NULL,
    quarantined  bigint NOT NULL,
    erased       bigint NOT NULL,
    erased_again bigint NOT NULL
);

CREATE FUNCTION carry_old_ledger(older_than timestamptz, most integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp
AS $$
DECLARE
    carried bigint;
BEGIN
    WITH gone AS (
        DELETE FROM ledger WHERE entry_id IN (
            SELECT entry_id FROM ledger WHERE committed_at < older_than ORDER BY entry_id LIMIT most FOR UPDATE SKIP LOCKED
        )
        RETURNING *
    ),
    summed AS (
        INSERT INTO ledger_carried AS so_far (source, entries, stored, repeated, quarantined, erased, erased_again)
        SELECT source, count(*), sum(stored), sum(repeated), sum(quarantined), sum(erased), sum(erased_again) FROM gone GROUP BY source
        ON CONFLICT (source) DO UPDATE
        SET entries = so_far.entries + excluded.entries, stored = so_far.stored + excluded.stored,
            repeated = so_far.repeated + excluded.repeated, quarantined = so_far.quarantined + excluded.quarantined,
            erased = so_far.erased + excluded.erased, erased_again = so_far.erased_again + excluded.erased_again
    )
    SELECT count(*) INTO carried FROM gone;
    RETURN carried;
END
$$;

CREATE OR REPLACE VIEW ledger_totals AS
SELECT coalesce(sum(stored), 0)::bigint      AS stored,
       coalesce(sum(repeated), 0)::bigint    AS repeated,
       coalesce(sum(quarantined), 0)::bigint AS quarantined,
       coalesce(sum(erased), 0)::bigint      AS erased,
       coalesce(sum(stored + quarantined + erased - erased_again) FILTER (WHERE source = 'live'), 0)::bigint AS accounted
FROM (
    SELECT source, stored, repeated, quarantined, erased, erased_again FROM ledger
    UNION ALL
    SELECT source, stored, repeated, quarantined, erased, erased_again FROM ledger_carried
) AS entries;

-- Erasures that are completed, and the ids of their messages. From then on a message from before would be stored.
CREATE FUNCTION forget_old_erasures(older_than timestamptz, most integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp
AS $$
DECLARE
    gone bigint;
    ids  bigint;
BEGIN
    DELETE FROM erasures WHERE erasure_id IN (
        SELECT erasure_id FROM erasures WHERE erased_at < older_than AND completed_at IS NOT NULL LIMIT most
    );
    GET DIAGNOSTICS gone = ROW_COUNT;
    DELETE FROM erased_messages WHERE message_id IN (SELECT message_id FROM erased_messages WHERE erased_at < older_than LIMIT most);
    GET DIAGNOSTICS ids = ROW_COUNT;
    RETURN greatest(gone, ids);
END
$$;

-- Where the audit begins when its head was cut off: the last record that is gone, signed by the service, which alone has the keyset.
CREATE TABLE audit_checkpoint (
    only_row  boolean PRIMARY KEY DEFAULT true,
    number    bigint NOT NULL,
    mac       bytea NOT NULL,
    signature bytea NOT NULL,
    CONSTRAINT there_is_one_checkpoint CHECK (only_row)
);

-- Cuts records up to a number, in one transaction with the checkpoint that stands for them. The last two always stay: the end of the
-- chain is checked by them.
CREATE FUNCTION cut_audit(through bigint, through_mac bytea, signed bytea) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp
AS $$
DECLARE
    gone bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM audit WHERE number = through AND mac = through_mac)
        OR through > (SELECT number FROM audit_head) - 2 THEN
        RAISE EXCEPTION 'the audit cannot be cut there' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    DELETE FROM audit WHERE number <= through;
    GET DIAGNOSTICS gone = ROW_COUNT;
    INSERT INTO audit_checkpoint (number, mac, signature) VALUES (through, through_mac, signed)
    ON CONFLICT (only_row) DO UPDATE SET number = excluded.number, mac = excluded.mac, signature = excluded.signature;
    RETURN gone;
END
$$;

REVOKE ALL ON FUNCTION drop_old_login_partition(date), delete_old_odd_logins(date, integer), delete_old_quarantined(timestamptz, integer),
    carry_old_ledger(timestamptz, integer), forget_old_erasures(timestamptz, integer), cut_audit(bigint, bytea, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION drop_old_login_partition(date), delete_old_odd_logins(date, integer), delete_old_quarantined(timestamptz, integer),
    carry_old_ledger(timestamptz, integer), forget_old_erasures(timestamptz, integer), cut_audit(bigint, bytea, bytea) TO pii_steward;

-- What is cut is verified before.
GRANT SELECT ON audit, audit_head, audit_checkpoint TO pii_steward;
GRANT SELECT ON audit_checkpoint TO pii_people, pii_auditor;
GRANT SELECT ON ledger_carried TO pii_auditor;
