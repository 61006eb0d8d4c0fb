-- Goes on with the rotation, if it is this replica's to go on with. The caller holds the lock, so nobody else is in the middle of a step.
UPDATE rotations SET worker_id = @worker_id, worker_seen_at = clock_timestamp()
WHERE ended_at IS NULL AND (NOT paused OR phase = 'cleaning')
    AND (worker_id IS NULL OR worker_id = @worker_id OR worker_seen_at < clock_timestamp() - @worker_gone_after)
RETURNING number, from_key_id, to_key_id, phase, copied_date, copied_id;
