-- Ids go by functions of their own: each is called until nothing is left, and counts what it says.
CREATE OR REPLACE FUNCTION delete_old_odd_logins(older_than date, most integer) RETURNS bigint
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
    RETURN gone;
END
$$;

-- Of messages without a time of their own, whose logins are gone by the same age.
CREATE FUNCTION forget_seen_messages(older_than date, most integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp
AS $$
DECLARE
    gone bigint;
BEGIN
    DELETE FROM seen_messages WHERE message_id IN (SELECT message_id FROM seen_messages WHERE seen_on < older_than LIMIT most);
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END
$$;

-- Erasures that are completed. From then on a message from before would be stored.
CREATE OR REPLACE FUNCTION forget_old_erasures(older_than timestamptz, most integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp
AS $$
DECLARE
    gone bigint;
BEGIN
    DELETE FROM erasures WHERE erasure_id IN (
        SELECT erasure_id FROM erasures WHERE erased_at < older_than AND completed_at IS NOT NULL LIMIT most
    );
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END
$$;

CREATE FUNCTION forget_erased_messages(older_than timestamptz, most integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp
AS $$
DECLARE
    gone bigint;
BEGIN
    DELETE FROM erased_messages WHERE message_id IN (SELECT message_id FROM erased_messages WHERE erased_at < older_than LIMIT most);
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END
$$;

REVOKE ALL ON FUNCTION forget_seen_messages(date, integer), forget_erased_messages(timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_seen_messages(date, integer), forget_erased_messages(timestamptz, integer) TO pii_steward;
