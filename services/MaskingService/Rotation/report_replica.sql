-- Says which keys this replica has, and yields the keys that the tables are under.
INSERT INTO replicas (replica_id, seen_at, masking_primary, masking_keys, quarantine_primary, quarantine_keys, integrity_primary, integrity_keys)
VALUES (@replica_id, clock_timestamp(), @masking_primary, @masking_keys, @quarantine_primary, @quarantine_keys, @integrity_primary, @integrity_keys)
ON CONFLICT (replica_id) DO UPDATE
SET seen_at = excluded.seen_at, masking_primary = excluded.masking_primary, masking_keys = excluded.masking_keys,
    quarantine_primary = excluded.quarantine_primary, quarantine_keys = excluded.quarantine_keys,
    integrity_primary = excluded.integrity_primary, integrity_keys = excluded.integrity_keys;

DELETE FROM replicas WHERE seen_at < clock_timestamp() - interval '1 day';

SELECT key_id, next_key_id FROM key_generation;
