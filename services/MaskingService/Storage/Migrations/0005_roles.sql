-- Who may do what. Group roles without login; the operator grants them to the logins that the services and people use:
--   CREATE ROLE masking LOGIN PASSWORD '…' IN ROLE pii_writer;
-- Roles belong to the whole cluster, so another database may have made them already.
DO $$
DECLARE
    missing text;
BEGIN
    FOR missing IN
        SELECT name FROM unnest(ARRAY['pii_writer', 'pii_steward', 'pii_auditor', 'pii_analyst']) AS name
        WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
    LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', missing);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;   -- made by another database's migration at this very moment
        END;
    END LOOP;
END
$$;

GRANT USAGE ON SCHEMA public TO pii_writer, pii_steward, pii_auditor, pii_analyst;

-- The masking service. It inserts and learns which ids are there; it reads no token and deletes nothing.
GRANT INSERT, SELECT (create_date, message_id) ON user_logins TO pii_writer;
GRANT INSERT, SELECT (message_id) ON seen_messages, quarantine TO pii_writer;
GRANT INSERT ON ledger TO pii_writer;
GRANT SELECT ON ledger_totals, schema_migrations TO pii_writer;
GRANT SELECT, INSERT ON key_generation, key_canaries TO pii_writer;
GRANT EXECUTE ON FUNCTION ensure_login_partitions(integer) TO pii_writer;

-- Removes what has to go.
GRANT SELECT, DELETE ON user_logins, quarantine, seen_messages TO pii_steward;
GRANT EXECUTE ON FUNCTION ensure_login_partitions(integer) TO pii_steward;

-- Checks that the counts are right.
GRANT SELECT ON ledger, ledger_totals TO pii_auditor;

-- Masked rows only.
GRANT SELECT ON user_logins TO pii_analyst;
