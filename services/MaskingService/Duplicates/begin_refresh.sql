-- One core and little memory: whoever writes comes first.
SET LOCAL max_parallel_workers_per_gather = 0;
SET LOCAL work_mem = '64MB';

-- The table stays under its key until this transaction ends: what is counted is under the key that it is put down under.
LOCK TABLE user_logins IN ACCESS SHARE MODE;

-- One refresher, whatever the number of replicas; and what another one did just now need not be done again.
SELECT pg_try_advisory_xact_lock(8099004711029928295) AND NOT EXISTS (
    SELECT FROM duplicate_refreshes WHERE field = @field AND time_window = @time_window AND refreshed_at > @fresh_after
        AND key_id = (SELECT key_id FROM key_generation));
