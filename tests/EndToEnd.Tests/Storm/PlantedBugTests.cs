using Npgsql;
using PiiMasking.Backing;

namespace PiiMasking.EndToEnd.Tests.Storm;

/// <summary>The checker goes red: each of three bugs, planted around the product, is one that it sees.</summary>
public sealed class PlantedBugTests(StormSystem storm)
{
    private const int Messages = 200;

    [Fact]
    public async Task An_acknowledgement_before_the_commit_loses_messages()
    {
        await using var run = await StormRun.StartAsync(storm, TestContext.Current.CancellationToken);

        var verdict = await WithAsync(Mistake.AcknowledgesBeforeCommit, run, async () =>
        {
            var masking = storm.System.Masking.Process!;
            masking.Send(Signal.Stop);
            try
            {
                await run.SendAsync(Messages);
                await run.WaitUntilEmptyAsync();
            }
            finally
            {
                masking.Send(Signal.Kill);
            }
        });

        Assert.True(verdict is { IsGreen: false, Lost: > 0, LedgerIsRight: false }, $"{verdict}");
    }

    [Fact]
    public async Task A_swallowed_nack_loses_messages()
    {
        await using var run = await StormRun.StartAsync(storm, TestContext.Current.CancellationToken);

        var verdict = await WithAsync(Mistake.SwallowsNacks, run, async () =>
        {
            storm.DatabaseNetwork.Condition = Condition.Refusing;
            storm.DatabaseNetwork.Cut();
            await run.SendAsync(Messages);
            await run.WaitUntilEmptyAsync();
            storm.DatabaseNetwork.Condition = Condition.Well;
        });

        Assert.True(verdict is { IsGreen: false, Lost: > 0, LedgerIsRight: false }, $"{verdict}");
    }

    [Fact]
    public async Task An_insert_that_ignores_what_is_there_stores_twice()
    {
        await using var run = await StormRun.StartAsync(storm, TestContext.Current.CancellationToken);
        // What a second row needs to get past the primary key: another day, of the same month.
        await ExecuteAsync("""
            CREATE FUNCTION planted_bug() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
            DECLARE
                step int := CASE WHEN extract(day FROM NEW.create_date) > 14 THEN -1 ELSE 1 END;
            BEGIN
                WHILE EXISTS (SELECT FROM user_logins WHERE message_id = NEW.message_id AND create_date = NEW.create_date) LOOP
                    NEW.create_date := NEW.create_date + step;
                END LOOP;
                RETURN NEW;
            END $$;
            CREATE TRIGGER planted_bug BEFORE INSERT ON user_logins FOR EACH ROW EXECUTE FUNCTION planted_bug()
            """);
        Verdict verdict;
        try
        {
            await run.SendAsync(Messages);
            await run.WaitUntilEmptyAsync();
            await storm.DeliverOnceMoreAsync(run.Sent, Messages, run.Stopping);
            verdict = await run.FinishAsync();
        }
        finally
        {
            await ExecuteAsync("DROP TRIGGER planted_bug ON user_logins; DROP FUNCTION planted_bug()");
        }

        Assert.True(verdict is { IsGreen: false, Lost: 0, Twice: > 0 }, $"{verdict}");
    }

    [Fact]
    public async Task Without_a_bug_it_is_green()
    {
        await using var run = await StormRun.StartAsync(storm, TestContext.Current.CancellationToken);
        await run.SendAsync(Messages);
        await run.WaitUntilEmptyAsync();
        await storm.DeliverOnceMoreAsync(run.Sent, Messages, run.Stopping);

        var verdict = await run.FinishAsync();

        // Each bulk had every message twice, and came twice.
        Assert.True(verdict is { IsGreen: true, DeletedIsWhole: true, Since.LedgerRepeated: 4 * Messages * 2 }, $"{verdict}");
    }

    private async Task<Verdict> WithAsync(Mistake mistake, StormRun run, Func<Task> meanwhile)
    {
        storm.App.Mistake = mistake;
        try
        {
            await meanwhile();
            return await run.FinishAsync();
        }
        finally
        {
            storm.App.Mistake = Mistake.None;
            storm.DatabaseNetwork.Condition = Condition.Well;
        }
    }

    private async Task ExecuteAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(storm.OwnerConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
