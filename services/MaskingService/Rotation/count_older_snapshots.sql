-- How many sessions of this database work with a snapshot in which the last copied rows are not there yet. If the shadow took the table's
-- place before they are through, they would miss those rows. backend_xmin is the oldest transaction that a session's snapshot does not
-- know the end of; whoever has no user (autovacuum) reads no logins.
SELECT count(*)
FROM pg_stat_activity, rotations
WHERE ended_at IS NULL AND datname = current_database() AND pid <> pg_backend_pid() AND usesysid IS NOT NULL
    AND age(backend_xmin) >= age(last_change::xid);
