-- Makes the shadow's partitions the counterparts of the table's, while a rotation to the key can begin or settles. First the lock: another
-- replica may have ended the rotation since this one saw it, and partitions that come back then would stay, empty.
SELECT pg_advisory_xact_lock(rotation_lock());

SELECT match_login_shadows()
WHERE EXISTS (SELECT FROM rotations WHERE phase = 'settling' AND to_key_id = @to_key_id)
    OR rotation_hindrance(@to_key_id, @replica_gone_after) IS NULL;
