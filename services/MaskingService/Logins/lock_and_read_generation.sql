-- Shared: any number of writers at once, but none while the key changes. The transaction holds it to its end.
SELECT pg_advisory_xact_lock_shared(key_generation_lock());

-- A statement of its own: in one statement with the lock the snapshot would be from before the wait, and the row stale.
SELECT key_id, next_key_id FROM key_generation;
