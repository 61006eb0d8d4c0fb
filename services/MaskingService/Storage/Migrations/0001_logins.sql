-- The masked logins, as their readers know them, and what makes storing them idempotent.

CREATE TABLE user_logins (
    user_id          varchar(128) NOT NULL,
    device_type      varchar(32),
    masked_ip        varchar(256) COLLATE "C" NOT NULL,
    masked_device_id varchar(256) COLLATE "C" NOT NULL,
    locale           varchar(32),
    app_version      integer,
    create_date      date NOT NULL,
    -- Names the message over all its deliveries. create_date is a function of the message as well, so that a
    -- redelivery meets its own row in its own partition.
    message_id       uuid NOT NULL,
    CONSTRAINT user_logins_pkey PRIMARY KEY (create_date, message_id),
    CONSTRAINT user_id_is_not_empty CHECK (user_id <> ''),
    CONSTRAINT masked_ip_is_a_token CHECK (length(masked_ip) >= 28),
    CONSTRAINT masked_device_id_is_a_token CHECK (length(masked_device_id) >= 28)
) PARTITION BY RANGE (create_date);

CREATE INDEX user_logins_masked_ip ON user_logins (masked_ip);
CREATE INDEX user_logins_masked_device_id ON user_logins (masked_device_id);

COMMENT ON TABLE user_logins IS 'One row a login message. Equal tokens in a masked column mean equal values.';
COMMENT ON COLUMN user_logins.masked_ip IS 'base64 of Tink AES256_SIV, associated data "ip", of the address padded with spaces to 15 (IPv4) or 39 (IPv6)';
COMMENT ON COLUMN user_logins.masked_device_id IS 'base64 of Tink AES256_SIV, associated data "device_id"';
COMMENT ON COLUMN user_logins.app_version IS 'major * 1000000 + minor * 1000 + patch';
COMMENT ON COLUMN user_logins.create_date IS 'UTC date at which the message was sent';

-- Takes logins of odd dates, so that no date ever fails a batch.
CREATE TABLE user_logins_default PARTITION OF user_logins DEFAULT;

-- Ids of messages that came with an identity but without a time of their own: their date would change with the day of the
-- delivery, and with it the primary key above.
CREATE TABLE seen_messages (
    message_id uuid PRIMARY KEY,
    seen_on    date NOT NULL
);

-- What became of how many messages: one appended row a transaction that stored any.
CREATE TABLE ledger (
    entry_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    committed_at timestamptz NOT NULL DEFAULT now(),
    source       text NOT NULL,
    stored       integer NOT NULL,
    repeated     integer NOT NULL,
    quarantined  integer NOT NULL,
    erased       integer NOT NULL,
    CONSTRAINT source_is_live_or_replay CHECK (source IN ('live', 'replay')),
    CONSTRAINT counts_are_not_negative CHECK (least(stored, repeated, quarantined, erased) >= 0)
);

-- accounted: distinct messages that reached their end. Once the queue is drained it equals what was deleted from it.
CREATE VIEW ledger_totals AS
SELECT coalesce(sum(stored), 0)      AS stored,
       coalesce(sum(repeated), 0)    AS repeated,
       coalesce(sum(quarantined), 0) AS quarantined,
       coalesce(sum(erased), 0)      AS erased,
       coalesce(sum(stored) + sum(quarantined) + sum(erased), 0) AS accounted
FROM ledger;
