-- A receipt that was applied before changes nothing.
INSERT INTO erasures (erasure_id, fingerprint, key_id, erased_at, reapplied, user_id)
VALUES (@erasure_id, @fingerprint, @key_id, @erased_at, @reapplied, @user_id)
ON CONFLICT (erasure_id) DO NOTHING;
