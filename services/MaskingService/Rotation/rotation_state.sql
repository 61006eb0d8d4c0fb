-- Where the keys are, and the last rotation, if there was one.
SELECT
    generation.key_id, rotation.number, rotation.from_key_id, rotation.to_key_id, rotation.phase, rotation.paused, rotation.may_restart,
    rotation.started_at, rotation.copied, rotation.total, rotation.seconds, rotation.swapped_at, rotation.ended_at, clock_timestamp()
FROM key_generation AS generation
LEFT JOIN (SELECT * FROM rotations ORDER BY number DESC LIMIT 1) AS rotation ON true;
