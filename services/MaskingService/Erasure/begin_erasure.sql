-- Exclusive: whoever writes has finished before, and its rows will be found; whoever comes after sees the fingerprint. Given up after a
-- while and tried again, because writers queue up behind it.
SET LOCAL lock_timeout = '2s';
SELECT pg_advisory_xact_lock(key_generation_lock());
SET LOCAL lock_timeout = 0;
