-- What is under which key. A token's key id is in bytes 2 to 5, which the first seven characters of its base64 hold.
WITH tokens AS (
    SELECT 'logins' AS what, left(masked_ip, 7) AS start, count(*) AS items FROM user_logins GROUP BY 2
    UNION ALL
    SELECT 'logins', left(masked_device_id, 7), count(*) FROM user_logins GROUP BY 2
    UNION ALL
    SELECT 'copied logins', left(masked_ip, 7), count(*) FROM user_logins_shadow GROUP BY 2
    UNION ALL
    SELECT 'copied logins', left(masked_device_id, 7), count(*) FROM user_logins_shadow GROUP BY 2
    UNION ALL
    SELECT 'duplicate groups', left(token, 7), count(*) FROM duplicate_groups GROUP BY 2
),
found (keyset, key, what, items) AS (
    -- Each login has two tokens.
    SELECT 'masking', substring(decode(start || 'A', 'base64') FROM 2 FOR 4), what,
        CASE WHEN what LIKE '%logins' THEN (sum(items) + 1) / 2 ELSE sum(items) END
    FROM tokens GROUP BY 2, 3
    UNION ALL
    SELECT 'quarantine', substring(sealed_payload FROM 2 FOR 4), 'messages in quarantine', count(*) FROM quarantine GROUP BY 2
    UNION ALL
    SELECT 'integrity', substring(mac FROM 2 FOR 4), 'audit records', count(*) FROM audit GROUP BY 2
    UNION ALL
    SELECT 'integrity', decode(lpad(to_hex(key_id), 8, '0'), 'hex'), 'erased users', count(*) FROM erasures GROUP BY 2
)
SELECT keyset, ('x' || encode(key, 'hex'))::bit(32)::bigint AS key_id, what, items::bigint FROM found
UNION ALL
-- The canary of a key that makes nothing is no need of it.
SELECT keyset, key_id, 'canaries', 1
FROM key_canaries AS canary
WHERE retired_at IS NULL AND CASE keyset
    WHEN 'masking' THEN EXISTS (SELECT FROM key_generation AS its WHERE canary.key_id IN (its.key_id, its.next_key_id))
    WHEN 'integrity' THEN made_at = (SELECT max(made_at) FROM key_canaries WHERE keyset = 'integrity')
    ELSE true
END
UNION ALL
SELECT 'masking', from_key_id, 'former partitions', count(*) FROM former_partitions, rotations WHERE phase = 'cleaning' GROUP BY 2
ORDER BY 1, 2, 3;

-- Since when nothing is under a key: a backup from before needs it.
SELECT 'masking', from_key_id, max(ended_at) FROM rotations WHERE phase = 'done' GROUP BY from_key_id
UNION ALL
SELECT keyset, key_id, retired_at FROM key_canaries WHERE keyset <> 'masking' AND retired_at IS NOT NULL;
