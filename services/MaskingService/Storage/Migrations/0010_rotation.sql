-- From one masking key to the next, while logins come in and readers read: who works on it, how far it is, and the few steps that need the
-- rights of the owner. Those are functions that run as the owner, so that the service never has the owner's password; what needs no such
-- rights are plain statements of the service, under the grants below.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'pii_rotator') THEN
        CREATE ROLE pii_rotator NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;   -- made by another database's migration at this very moment
END
$$;

GRANT USAGE ON SCHEMA public TO pii_rotator;

-- The advisory lock of whoever takes a step of a rotation: one at a time, whatever the number of replicas.
CREATE FUNCTION rotation_lock() RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN 8099004711029928297;

CREATE TABLE rotations (
    number         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    from_key_id    bigint NOT NULL,
    to_key_id      bigint NOT NULL,
    phase          text NOT NULL DEFAULT 'copying',
    paused         boolean NOT NULL DEFAULT false,
    may_restart    boolean NOT NULL DEFAULT true,
    started_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    copied_date    date,
    copied_id      uuid,
    copied         bigint NOT NULL DEFAULT 0,
    total          bigint NOT NULL DEFAULT 0,
    seconds        double precision NOT NULL DEFAULT 0,
    last_change    xid8 NOT NULL DEFAULT pg_current_xact_id(),
    swapped_at     timestamptz,
    ended_at       timestamptz,
    worker_id      uuid,
    worker_seen_at timestamptz,
    CONSTRAINT phase_is_known CHECK (phase IN ('copying', 'settling', 'cleaning', 'done', 'abandoned')),
    CONSTRAINT ended_means_done_or_abandoned CHECK ((ended_at IS NOT NULL) = (phase IN ('done', 'abandoned')))
);

CREATE UNIQUE INDEX one_rotation_at_a_time ON rotations ((true)) WHERE ended_at IS NULL;

COMMENT ON COLUMN rotations.may_restart IS 'False after it was abandoned: the same primary key starts no other one until somebody says so';
COMMENT ON COLUMN rotations.copied_date IS 'Key of the last row that is copied; null before the first one';
COMMENT ON COLUMN rotations.total IS 'How many rows there were to copy, by the statistics: an estimate';
COMMENT ON COLUMN rotations.seconds IS 'Time spent copying, pauses left out';
COMMENT ON COLUMN rotations.last_change IS 'The last transaction that copied rows: whoever cannot see it must not see the shadow in place of the table';
COMMENT ON COLUMN rotations.worker_id IS 'The replica that works on it; another one takes over when it has not been seen for a while';

-- Which keys each replica has: nothing is made with a key that one of them does not know.
CREATE TABLE replicas (
    replica_id         uuid PRIMARY KEY,
    seen_at            timestamptz NOT NULL,
    masking_primary    bigint NOT NULL,
    masking_keys       bigint[] NOT NULL,
    quarantine_primary bigint NOT NULL,
    quarantine_keys    bigint[] NOT NULL,
    integrity_primary  bigint,
    integrity_keys     bigint[] NOT NULL
);

-- A canary that is retired: nothing in the database is under its key any more, since then.
ALTER TABLE key_canaries ADD COLUMN made_at timestamptz NOT NULL DEFAULT clock_timestamp();
ALTER TABLE key_canaries ADD COLUMN retired_at timestamptz;

-- Former partitions, out of the table already, until they are dropped.
CREATE TABLE former_partitions (
    partition oid PRIMARY KEY
);

-- Makes the shadow's partitions the counterparts of the table's, which may come and go meanwhile. Yields how many it changed.
CREATE FUNCTION match_login_shadows() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp
    SET lock_timeout = '2s'
AS $$
DECLARE
    part     record;
    fallback regclass;
    shadow   text;
    range    text;
    changed  integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(rotation_lock());
    -- Against whoever adds or removes a partition; readers and writers are not in its way.
    LOCK TABLE ONLY user_logins IN SHARE UPDATE EXCLUSIVE MODE;

    IF EXISTS (
        SELECT FROM (SELECT attname, atttypid FROM pg_attribute WHERE attrelid = 'user_logins'::regclass AND attnum > 0 AND NOT attisdropped) AS its
        FULL JOIN (SELECT attname, atttypid FROM pg_attribute WHERE attrelid = 'user_logins_shadow'::regclass AND attnum > 0 AND NOT attisdropped) AS shadows
            USING (attname, atttypid)
        WHERE its.attname IS NULL OR shadows.attname IS NULL) THEN
        RAISE EXCEPTION 'user_logins and user_logins_shadow have different columns' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;

    -- Where a partition is gone, its rows are as well, except what came in for its dates since and is in the default partition now.
    FOR part IN
        SELECT shadow_part.oid::regclass AS name FROM login_partitions('user_logins_shadow') AS shadow_part
        WHERE NOT EXISTS (SELECT FROM login_partitions('user_logins') AS its WHERE its.bound = shadow_part.bound)
    LOOP
        SELECT oid INTO fallback FROM login_partitions('user_logins_shadow') WHERE bound = 'DEFAULT';
        EXECUTE format('ALTER TABLE user_logins_shadow DETACH PARTITION %s', part.name);
        IF fallback IS NOT NULL AND fallback <> part.name THEN
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS in_its_range', fallback);
        END IF;
        EXECUTE format(
            'INSERT INTO user_logins_shadow SELECT former.* FROM %s AS former JOIN user_logins USING (create_date, message_id) ON CONFLICT DO NOTHING',
            part.name);
        EXECUTE format('DROP TABLE %s', part.name);
        changed := changed + 1;
    END LOOP;

    FOR part IN
        SELECT its.oid, its.oid::regclass AS name, its.bound FROM login_partitions('user_logins') AS its
        WHERE NOT EXISTS (SELECT FROM login_partitions('user_logins_shadow') AS shadow_part WHERE shadow_part.bound = its.bound)
        ORDER BY its.bound = 'DEFAULT'
    LOOP
        shadow := format('user_logins_shadow_%s', part.oid);
        range := pg_get_partition_constraintdef(part.oid);
        EXECUTE format('CREATE TABLE %I (LIKE user_logins INCLUDING ALL)', shadow);
        IF range IS NOT NULL THEN
            EXECUTE format('ALTER TABLE %I ADD CONSTRAINT in_its_range CHECK (%s)', shadow, range);
        END IF;
        SELECT oid INTO fallback FROM login_partitions('user_logins_shadow') WHERE bound = 'DEFAULT';
        IF fallback IS NOT NULL AND part.bound <> 'DEFAULT' THEN
            EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', fallback);
            EXECUTE format('WITH moved AS (DELETE FROM %s WHERE %s RETURNING *) INSERT INTO %I SELECT * FROM moved', fallback, range, shadow);
        END IF;
        EXECUTE format('ALTER TABLE user_logins_shadow ATTACH PARTITION %I %s', shadow, part.bound);
        -- One that comes with rows may have some that nobody has copied: from the beginning, then.
        EXECUTE format('UPDATE rotations SET copied_date = NULL, copied_id = NULL, phase = ''copying'' '
                       'WHERE phase IN (''copying'', ''settling'') AND EXISTS (SELECT FROM %s)', part.name);
        changed := changed + 1;
    END LOOP;

    IF changed > 0 THEN
        -- So that the default partition need not be searched for strays while everybody waits for the swap.
        SELECT its.oid::regclass AS name, pg_get_partition_constraintdef(its.oid) AS range INTO part
        FROM login_partitions('user_logins_shadow') AS its WHERE its.bound = 'DEFAULT';
        IF part.range IS NOT NULL THEN
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS in_its_range', part.name);
            EXECUTE format('ALTER TABLE %s ADD CONSTRAINT in_its_range CHECK (%s)', part.name, part.range);
        END IF;
        -- Moved rows are new rows.
        UPDATE rotations SET last_change = pg_current_xact_id() WHERE ended_at IS NULL;
    END IF;
    RETURN changed;
END
$$;

-- The partitions of a table, by what they take.
CREATE FUNCTION login_partitions(of_table regclass) RETURNS TABLE (oid oid, bound text)
    LANGUAGE sql STABLE
    SET search_path = public, pg_temp
AS $$
    SELECT part.oid, pg_get_expr(part.relpartbound, part.oid)
    FROM pg_inherits JOIN pg_class AS part ON part.oid = inhrelid
    WHERE inhparent = of_table
    ORDER BY part.oid
$$;

-- Why no rotation to a key can begin now, as a code; null if it can. Nothing is made with a key that some replica does not know, and one
-- that still has another primary would want to go back.
CREATE FUNCTION rotation_hindrance(next_key bigint, replica_gone_after interval) RETURNS text
    LANGUAGE sql VOLATILE
    SET search_path = public, pg_temp
AS $$
    SELECT CASE
        WHEN NOT EXISTS (SELECT FROM key_generation WHERE key_id <> next_key) THEN 'nothing_to_do'
        WHEN EXISTS (SELECT FROM rotations WHERE ended_at IS NULL) THEN 'another_one_runs'
        WHEN EXISTS (SELECT FROM (SELECT * FROM rotations ORDER BY number DESC LIMIT 1) AS last WHERE NOT may_restart AND to_key_id = next_key)
            THEN 'it_was_abandoned'
        WHEN NOT EXISTS (SELECT FROM replicas WHERE seen_at > clock_timestamp() - replica_gone_after)
            OR EXISTS (
                SELECT FROM replicas, key_generation
                WHERE seen_at > clock_timestamp() - replica_gone_after
                    AND NOT (masking_primary = next_key AND masking_keys @> ARRAY[key_id, next_key]))
            THEN 'a_replica_has_another_primary_key'
    END
$$;

-- Begins a rotation, unless something hinders it.
-- Under the exclusive lock: each transaction that writes logins stores them in one table, or in both, from its beginning to its end.
CREATE FUNCTION begin_rotation(next_key bigint, canary bytea, replica_gone_after interval) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp
    SET lock_timeout = '2s'
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(rotation_lock());
    PERFORM pg_advisory_xact_lock(key_generation_lock());
    IF rotation_hindrance(next_key, replica_gone_after) IS NOT NULL
        OR EXISTS (SELECT bound FROM login_partitions('user_logins') EXCEPT SELECT bound FROM login_partitions('user_logins_shadow'))
        OR EXISTS (SELECT FROM user_logins_shadow) THEN
        RETURN false;
    END IF;
    INSERT INTO key_canaries (keyset, key_id, token) VALUES ('masking', next_key, canary)
    ON CONFLICT (keyset, key_id) DO UPDATE SET retired_at = NULL;
    UPDATE key_generation SET next_key_id = next_key;
    INSERT INTO rotations (from_key_id, to_key_id, total)
    SELECT generation.key_id, next_key, coalesce(sum(greatest(pg_stat_get_live_tuples(part.oid), class.reltuples::bigint, 0)), 0)
    FROM key_generation AS generation, login_partitions('user_logins') AS part JOIN pg_class AS class USING (oid)
    GROUP BY generation.key_id;
    RETURN true;
END
$$;

-- Fresh partitions have no statistics, and readers are not to find out.
CREATE FUNCTION analyze_login_shadows() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp
AS $$
BEGIN
    ANALYZE user_logins_shadow;
END
$$;

-- Lets the shadows take the places of the partitions. Readers and writers wait meanwhile, and while this waits for readers that are in the
-- way; so it gives up soon, and the caller tries again. The table remains the table: views and grants on it hold.
CREATE FUNCTION swap_login_shadows() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp
    SET lock_timeout = '500ms'
AS $$
DECLARE
    part     record;
    fallback text;
BEGIN
    PERFORM pg_advisory_xact_lock(rotation_lock());
    PERFORM pg_advisory_xact_lock(key_generation_lock());
    IF NOT EXISTS (SELECT FROM rotations WHERE phase = 'settling' AND NOT paused) THEN
        RAISE EXCEPTION 'there is no rotation that has come so far' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    LOCK TABLE user_logins, user_logins_shadow IN ACCESS EXCLUSIVE MODE;
    IF EXISTS (
        SELECT FROM login_partitions('user_logins') AS its FULL JOIN login_partitions('user_logins_shadow') AS shadows USING (bound)
        WHERE its.oid IS NULL OR shadows.oid IS NULL) THEN
        RAISE EXCEPTION 'a partition came or went' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;

    -- The default partitions leave first and come last: with one in place each of the others would have to be compared with it.
    FOR part IN
        SELECT old.oid, class.relname AS name, old.oid::regclass AS old, new.oid::regclass AS new, bound
        FROM login_partitions('user_logins') AS old JOIN login_partitions('user_logins_shadow') AS new USING (bound)
        JOIN pg_class AS class ON class.oid = old.oid
        ORDER BY bound <> 'DEFAULT'
    LOOP
        EXECUTE format('ALTER TABLE user_logins DETACH PARTITION %s', part.old);
        EXECUTE format('ALTER TABLE user_logins_shadow DETACH PARTITION %s', part.new);
        EXECUTE format('ALTER TABLE %s RENAME TO user_logins_former_%s', part.old, part.oid);
        EXECUTE format('ALTER TABLE %s RENAME TO %I', part.new, part.name);
        INSERT INTO former_partitions VALUES (part.oid);
        IF part.bound <> 'DEFAULT' THEN
            EXECUTE format('ALTER TABLE user_logins ATTACH PARTITION %I %s', part.name, part.bound);
            EXECUTE format('ALTER TABLE %I DROP CONSTRAINT in_its_range', part.name);
        ELSE
            fallback := part.name;
        END IF;
    END LOOP;
    IF fallback IS NOT NULL THEN
        EXECUTE format('ALTER TABLE user_logins ATTACH PARTITION %I DEFAULT', fallback);
        EXECUTE format('ALTER TABLE %I DROP CONSTRAINT IF EXISTS in_its_range', fallback);
    END IF;

    UPDATE key_generation SET key_id = next_key_id, next_key_id = NULL;
    UPDATE rotations SET phase = 'cleaning', swapped_at = clock_timestamp() WHERE phase = 'settling';
END
$$;

-- Drops what the swap left behind. From then on nothing in the database is under the former key.
CREATE FUNCTION end_rotation() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp
    SET lock_timeout = '2s'
AS $$
DECLARE
    part oid;
BEGIN
    PERFORM pg_advisory_xact_lock(rotation_lock());
    FOR part IN SELECT partition FROM former_partitions JOIN pg_class ON oid = partition LOOP
        EXECUTE format('DROP TABLE %s', part::regclass);
    END LOOP;
    DELETE FROM former_partitions;
    UPDATE key_canaries SET retired_at = clock_timestamp()
    FROM rotations WHERE phase = 'cleaning' AND keyset = 'masking' AND key_id = from_key_id;
    DELETE FROM duplicate_groups USING rotations WHERE phase = 'cleaning' AND key_id = from_key_id;
    DELETE FROM duplicate_refreshes USING rotations WHERE phase = 'cleaning' AND key_id = from_key_id;
    UPDATE rotations SET phase = 'done', ended_at = clock_timestamp() WHERE phase = 'cleaning';
END
$$;

-- Leaves the table as it is and drops the shadow. Yields whether there was something to abandon; after the swap there is not.
CREATE FUNCTION abandon_rotation() RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp
    SET lock_timeout = '5s'
AS $$
DECLARE
    part oid;
BEGIN
    PERFORM pg_advisory_xact_lock(rotation_lock());
    PERFORM pg_advisory_xact_lock(key_generation_lock());
    UPDATE rotations SET phase = 'abandoned', ended_at = clock_timestamp(), may_restart = false WHERE phase IN ('copying', 'settling');
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM duplicate_groups USING key_generation AS generation WHERE duplicate_groups.key_id = generation.next_key_id;
    DELETE FROM duplicate_refreshes USING key_generation AS generation WHERE duplicate_refreshes.key_id = generation.next_key_id;
    UPDATE key_generation SET next_key_id = NULL;
    FOR part IN SELECT shadow.oid FROM login_partitions('user_logins_shadow') AS shadow LOOP
        EXECUTE format('DROP TABLE %s', part::regclass);
    END LOOP;
    RETURN true;
END
$$;

REVOKE ALL ON FUNCTION match_login_shadows(), analyze_login_shadows(), begin_rotation(bigint, bytea, interval), swap_login_shadows(),
    end_rotation(), abandon_rotation() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION match_login_shadows(), analyze_login_shadows(), begin_rotation(bigint, bytea, interval), swap_login_shadows(),
    end_rotation(), abandon_rotation() TO pii_rotator;

-- The roll-up of duplicates is under a key as well: while a rotation runs there can be one for each of the two.
DELETE FROM duplicate_groups;
DELETE FROM duplicate_refreshes;
ALTER TABLE duplicate_groups ADD COLUMN key_id bigint NOT NULL;
ALTER TABLE duplicate_refreshes ADD COLUMN key_id bigint NOT NULL;
ALTER TABLE duplicate_refreshes DROP CONSTRAINT duplicate_refreshes_pkey;
ALTER TABLE duplicate_refreshes ADD PRIMARY KEY (field, time_window, key_id);

-- Which sealed payloads are under which key.
CREATE INDEX quarantine_key ON quarantine (substring(sealed_payload FROM 2 FOR 4));

-- Every replica says which keys it has.
GRANT SELECT, INSERT, UPDATE, DELETE ON replicas TO pii_writer;
GRANT SELECT ON replicas, rotations TO pii_writer, pii_people, pii_auditor, pii_rotator;

-- Reads all tokens and payloads and writes them under another key.
GRANT SELECT ON user_logins, key_generation, key_canaries, former_partitions, schema_migrations TO pii_rotator;
GRANT SELECT, INSERT ON user_logins_shadow TO pii_rotator;
GRANT UPDATE ON rotations TO pii_rotator;
GRANT UPDATE (retired_at) ON key_canaries TO pii_rotator;
GRANT SELECT (message_id, sealed_payload), UPDATE (sealed_payload) ON quarantine TO pii_rotator;
GRANT SELECT, INSERT, DELETE ON duplicate_groups TO pii_rotator;
GRANT SELECT, INSERT, UPDATE, DELETE ON duplicate_refreshes TO pii_rotator;
GRANT SELECT (entry_id, committed_at) ON ledger TO pii_rotator;
GRANT SELECT (number, mac) ON audit TO pii_rotator;
