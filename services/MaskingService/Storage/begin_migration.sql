-- One migration at a time; whoever waited here then finds nothing left to do.
SELECT pg_advisory_xact_lock(8099004711029928294);

CREATE TABLE IF NOT EXISTS schema_migrations (
    name       text PRIMARY KEY,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
