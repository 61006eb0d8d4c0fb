-- Messages that cannot become a login until a person looks: sealed under the quarantine keyset.
CREATE TABLE quarantine (
    message_id     uuid PRIMARY KEY,
    sent_at        timestamptz,
    quarantined_at timestamptz NOT NULL DEFAULT now(),
    reason         text NOT NULL,
    sealed_payload bytea NOT NULL,
    CONSTRAINT reason_is_a_code CHECK (reason ~ '^[a-z][a-z0-9_]{0,63}$')
);

-- Sealed bytes do not compress; trying costs time on every insert.
ALTER TABLE quarantine ALTER COLUMN sealed_payload SET STORAGE EXTERNAL;

COMMENT ON COLUMN quarantine.sealed_payload IS 'Tink AES256_GCM of the message exactly as it was sent, associated data "quarantine/<message_id>"';
