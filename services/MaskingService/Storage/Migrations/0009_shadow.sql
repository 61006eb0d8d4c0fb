-- The table under the next key, while a rotation runs: every new login is stored in both, older ones are copied, and in the end the
-- partitions change places. At all other times it has no partition and so no row; whoever reads logins never needs it.
CREATE TABLE user_logins_shadow (LIKE user_logins INCLUDING ALL) PARTITION BY RANGE (create_date);
COMMENT ON TABLE user_logins_shadow IS 'user_logins under key_generation.next_key_id, as far as it is copied; without partitions when there is none';

ALTER TABLE key_generation ADD COLUMN next_key_id bigint;
ALTER TABLE key_generation ADD CONSTRAINT next_key_id_is_32_bit_and_another CHECK (next_key_id BETWEEN 1 AND 4294967295 AND next_key_id <> key_id);
COMMENT ON COLUMN key_generation.key_id IS 'The key that user_logins is under';
COMMENT ON COLUMN key_generation.next_key_id IS 'The key that user_logins_shadow is under; null while no rotation runs';

-- The writer stores in both; what is a repeat in one is known by the same two columns in the other.
GRANT INSERT, SELECT (create_date, message_id) ON user_logins_shadow TO pii_writer, pii_people;

-- The advisory lock between those who delete logins (shared) and the one who copies them (exclusive, a chunk at a time).
CREATE FUNCTION login_copy_lock() RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN 8099004711029928296;

-- What is deleted from user_logins, by whomever, is deleted from the shadow in the same transaction.
--
-- No copy can bring it back: a chunk that read the row before holds the lock until its commit, and the deletion from the shadow, a
-- statement of its own with a snapshot of its own, comes after that; a chunk that begins later waits here for the deletion's commit and
-- reads the row no more. A transaction with one snapshot for all its statements would not see the chunk, so it may not delete.
CREATE FUNCTION delete_logins_from_shadow() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM gone) THEN
        RETURN NULL;
    END IF;
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'logins are deleted in transactions of isolation level READ COMMITTED' USING ERRCODE = 'feature_not_supported';
    END IF;
    PERFORM pg_advisory_xact_lock_shared(login_copy_lock());
    DELETE FROM user_logins_shadow AS shadow USING gone
    WHERE shadow.create_date = gone.create_date AND shadow.message_id = gone.message_id;
    RETURN NULL;
END
$$;

REVOKE ALL ON FUNCTION delete_logins_from_shadow() FROM PUBLIC;

CREATE TRIGGER deleted_logins_leave_the_shadow
    AFTER DELETE ON user_logins REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION delete_logins_from_shadow();
