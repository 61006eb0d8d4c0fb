-- Values that occur more than once: exactly, for who asks now and then, and rolled up, for who pages through them.
--
-- Grouped by user first: that is hashed, where count(DISTINCT …) would sort every row.
CREATE VIEW duplicate_ips AS
SELECT token, sum(logins)::bigint AS logins, count(*) AS users, min(first_seen) AS first_seen, max(last_seen) AS last_seen
FROM (
    SELECT masked_ip AS token, user_id, count(*) AS logins, min(create_date) AS first_seen, max(create_date) AS last_seen
    FROM user_logins GROUP BY masked_ip, user_id
) AS per_user
GROUP BY token
HAVING sum(logins) > 1;

CREATE VIEW duplicate_device_ids AS
SELECT token, sum(logins)::bigint AS logins, count(*) AS users, min(first_seen) AS first_seen, max(last_seen) AS last_seen
FROM (
    SELECT masked_device_id AS token, user_id, count(*) AS logins, min(create_date) AS first_seen, max(create_date) AS last_seen
    FROM user_logins GROUP BY masked_device_id, user_id
) AS per_user
GROUP BY token
HAVING sum(logins) > 1;

GRANT SELECT ON duplicate_ips, duplicate_device_ids TO pii_analyst;

-- The largest groups of each field and window, as of the window's last refresh. The key is also the order of the pages.
CREATE TABLE duplicate_groups (
    field       text NOT NULL,
    time_window text NOT NULL,
    logins      bigint NOT NULL,
    token       varchar(256) COLLATE "C" NOT NULL,
    users       bigint NOT NULL,
    first_seen  date NOT NULL,
    last_seen   date NOT NULL,
    PRIMARY KEY (field, time_window, logins, token)
);

CREATE TABLE duplicate_refreshes (
    field        text NOT NULL,
    time_window  text NOT NULL,
    refreshed_at timestamptz NOT NULL,
    since        date,
    groups       bigint NOT NULL,
    kept         bigint NOT NULL,
    PRIMARY KEY (field, time_window)
);

COMMENT ON COLUMN duplicate_refreshes.refreshed_at IS 'When the refresh began: it saw what was committed by then';
COMMENT ON COLUMN duplicate_refreshes.since IS 'First date of the window; null for all';
COMMENT ON COLUMN duplicate_refreshes.groups IS 'How many there were; only the largest, as many as kept says, are in duplicate_groups';

GRANT SELECT, INSERT, DELETE ON duplicate_groups TO pii_people;
GRANT SELECT, INSERT, UPDATE ON duplicate_refreshes TO pii_people;
