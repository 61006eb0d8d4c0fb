-- The chain's lock: of two replicas that start on an empty database, one claims it and the other checks itself against that.
SELECT last_number FROM begin_audit(NULL);

SELECT key_id, token FROM key_canaries WHERE keyset = 'integrity' ORDER BY made_at DESC;
