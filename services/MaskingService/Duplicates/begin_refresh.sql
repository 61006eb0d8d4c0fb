-- One core and little memory: whoever writes comes first.
SET LOCAL max_parallel_workers_per_gather = 0;
SET LOCAL work_mem = '64MB';

-- One refresher, whatever the number of replicas; and what another one did just now need not be done again.
SELECT pg_try_advisory_xact_lock(8099004711029928295) AND NOT EXISTS (
    SELECT FROM duplicate_refreshes WHERE field = @field AND time_window = @time_window AND refreshed_at > @fresh_after);
