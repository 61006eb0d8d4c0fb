-- Which key the table is under. Not the keyset's primary but this key makes tokens, so that equal values have equal tokens
-- at every instant.
CREATE TABLE key_generation (
    only_row boolean PRIMARY KEY DEFAULT true,
    key_id   bigint NOT NULL,
    CONSTRAINT there_is_one_generation CHECK (only_row),
    CONSTRAINT key_id_is_32_bit CHECK (key_id BETWEEN 1 AND 4294967295)
);

-- A known plaintext under each key of each keyset: a keyset that does not open its canaries does not belong to this data.
CREATE TABLE key_canaries (
    keyset text NOT NULL,
    key_id bigint NOT NULL,
    token  bytea NOT NULL,
    PRIMARY KEY (keyset, key_id),
    CONSTRAINT keyset_is_known CHECK (keyset IN ('masking', 'quarantine')),
    CONSTRAINT key_id_is_32_bit CHECK (key_id BETWEEN 1 AND 4294967295)
);

-- The advisory lock that guards the generation: shared by whoever writes tokens, exclusive for whoever changes the key.
-- Transaction-level only, so that it works behind a connection pooler.
CREATE FUNCTION key_generation_lock() RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN 8099004711029928293;
