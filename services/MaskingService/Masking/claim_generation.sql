-- Exclusive: of two replicas that start on an empty database, one claims it and the other checks itself against that.
SELECT pg_advisory_xact_lock(key_generation_lock());

SELECT (SELECT key_id FROM key_generation) AS generation, keyset, key_id, token
FROM (SELECT keyset, key_id, token FROM key_canaries) AS canary
RIGHT JOIN (SELECT true) AS always ON true;
