-- Keys that no message in quarantine is under: since now, unless that was known before. The one that seals is none of them.
UPDATE key_canaries
SET retired_at = CASE WHEN key_id <> @primary THEN clock_timestamp() END
WHERE keyset = 'quarantine'
    AND CASE WHEN key_id = @primary THEN retired_at IS NOT NULL
        ELSE (retired_at IS NULL OR key_id = ANY (@resealed))
            AND NOT EXISTS (
                SELECT FROM quarantine WHERE substring(sealed_payload FROM 2 FOR 4) = decode(lpad(to_hex(key_id), 8, '0'), 'hex'))
        END;
