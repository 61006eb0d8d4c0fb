-- Exclusive: of two replicas that start on an empty database, one claims it and the other checks itself against that.
SELECT pg_advisory_xact_lock(key_generation_lock());

SELECT generation.key_id AS generation, generation.next_key_id, canary.keyset, canary.key_id, canary.token
FROM (SELECT) AS always
LEFT JOIN key_generation AS generation ON true
LEFT JOIN key_canaries AS canary ON true;
