-- Replicas that were seen within a while, and what keeps a key that one of them has as its primary from being rotated to.
SELECT
    replica_id, seen_at, masking_primary, masking_keys,
    CASE WHEN masking_primary <> (SELECT key_id FROM key_generation) THEN rotation_hindrance(masking_primary, @replica_gone_after) END
FROM replicas
WHERE seen_at > clock_timestamp() - @replica_gone_after
ORDER BY replica_id;
