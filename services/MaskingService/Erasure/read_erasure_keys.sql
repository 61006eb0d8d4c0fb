-- Keys under which there are fingerprints: the index is asked for the next key after each, however many fingerprints there are.
WITH RECURSIVE used (key_id) AS (
    SELECT min(key_id) FROM erasures
    UNION ALL
    SELECT (SELECT min(key_id) FROM erasures WHERE key_id > used.key_id) FROM used WHERE used.key_id IS NOT NULL
)
SELECT key_id FROM used WHERE key_id IS NOT NULL;
