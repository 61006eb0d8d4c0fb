-- Makes the partition of each month from last month to months_ahead from now, where it is missing; yields how many it made.
--
-- LIKE, CHECK and ATTACH instead of CREATE … PARTITION OF: that one waits for every open transaction on the table and stops
-- ingest behind it. Rows of the month that the default partition took meanwhile move over first. Runs as the owner;
-- the caller retries after a lock timeout.
CREATE FUNCTION ensure_login_partitions(months_ahead integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp
    SET lock_timeout = '2s'
AS $$
DECLARE
    month     date := date_trunc('month', (now() AT TIME ZONE 'UTC'))::date - interval '1 month';
    past_end  date := month + make_interval(months => months_ahead + 2);
    next      date;
    partition text;
    made      integer := 0;
BEGIN
    IF months_ahead NOT BETWEEN 0 AND 120 THEN
        RAISE EXCEPTION 'months_ahead must be 0 to 120';
    END IF;
    WHILE month < past_end LOOP
        next := month + interval '1 month';
        partition := format('user_logins_%s', to_char(month, 'YYYY_MM'));
        IF to_regclass(partition) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE user_logins INCLUDING ALL)', partition);
            EXECUTE format('ALTER TABLE %I ADD CONSTRAINT in_its_month CHECK (create_date >= %L AND create_date < %L)', partition, month, next);
            LOCK TABLE user_logins_default IN ACCESS EXCLUSIVE MODE;
            EXECUTE format('WITH moved AS (DELETE FROM user_logins_default WHERE create_date >= %L AND create_date < %L RETURNING *) '
                           'INSERT INTO %I SELECT * FROM moved', month, next, partition);
            EXECUTE format('ALTER TABLE user_logins ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', partition, month, next);
            EXECUTE format('ALTER TABLE %I DROP CONSTRAINT in_its_month', partition);
            made := made + 1;
        END IF;
        month := next;
    END LOOP;
    RETURN made;
END
$$;

REVOKE ALL ON FUNCTION ensure_login_partitions(integer) FROM PUBLIC;

SELECT ensure_login_partitions(2);
