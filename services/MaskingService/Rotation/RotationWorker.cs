using Microsoft.Extensions.Options;
using Npgsql;
using PiiMasking.MaskingService.Keys;
using PiiMasking.MaskingService.Masking;
using PiiMasking.MaskingService.Storage;

namespace PiiMasking.MaskingService.Rotation;

/// <summary>
/// Carries the table over to a new primary key, in steps that are each one transaction: killed anywhere, it goes on where it was, here or in
/// another replica. Equal values have equal tokens for every reader at every moment, because readers see the copy only when it is whole.
/// </summary>
internal sealed class RotationWorker(
    RotationDatabase database, Keyring keyring, LoginCopier copier, RollUpCopier rollUp, QuarantineResealer quarantine,
    ReplicaReporter replica, RotationMetrics metrics, IOptions<RotationOptions> options, TimeProvider time, ILogger<RotationWorker> logger)
    : BackgroundService
{
    private static readonly string MatchShadows = Sql.Load("match_shadows.sql");
    private static readonly string VerifyCopy = Sql.Load("verify_copy.sql");
    private static readonly string CountOlderSnapshots = Sql.Load("count_older_snapshots.sql");
    private static readonly TimeSpan ReaderPoll = TimeSpan.FromMilliseconds(500);

    // Postgres itself limits what waits for locks; what counts or copies in one statement may take its time.
    private const int LongCommandSeconds = 3_600;

    private long began;
    private (long Number, int Percent) said;
    private long? preparedFor;
    private string? hindrance;
    private string? problem;

    /// <summary>What a step came to.</summary>
    private enum Step
    {
        /// <summary>There is more to do, now.</summary>
        Again,

        /// <summary>Something has to pass first.</summary>
        Wait,

        /// <summary>Nothing is to be done here.</summary>
        Rest,
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await keyring.WhenLoadedAsync(stoppingToken);
        while (true)
        {
            try
            {
                await WorkAsync(stoppingToken);
                problem = null;
            }
            catch (Exception e) when (e is NpgsqlException or TimeoutException)
            {
                HeldUp(e is PostgresException { SqlState: PostgresErrorCodes.InsufficientPrivilege }
                    ? "the login of ConnectionStrings:Rotation, else of ConnectionStrings:People, is no member of pii_rotator."
                    : DatabaseProblem.Describe(e));
            }
            catch (Exception e) when (e is KeyUnavailableException or TokenUnreadableException)
            {
                HeldUp(e.Message);
            }

            await Task.Delay(options.Value.CheckEvery, time, stoppingToken);
        }
    }

    private async Task WorkAsync(CancellationToken stopping)
    {
        if (await RotationState.ReadAsync(database.Source, stopping) is not { } state)
            return;
        metrics.Observe(state);
        if (state.Running is null && !await TryBeginAsync(stopping))
        {
            await quarantine.ResealAsync(options.Value.ReplicaGoneAfter, stopping);
            return;
        }

        began = time.GetTimestamp();
        Step step;
        while ((step = await TakeStepAsync(stopping)) is not Step.Rest)
        {
            if (step is Step.Wait)
                await Task.Delay(ReaderPoll, time, stopping);
        }
    }

    /// <returns>Whether a rotation began.</returns>
    private async Task<bool> TryBeginAsync(CancellationToken stopping)
    {
        var keys = keyring.Current!;
        var next = keys.Masking.PrimaryKeyId;
        if (await HindranceAsync(next, stopping) is { } reason)
        {
            if (reason != hindrance && reason != "nothing_to_do")
                logger.RotationWaits(next, reason);
            hindrance = reason;
            return false;
        }

        hindrance = null;
        if (await MatchShadowsAsync(next, stopping) is null)
            return false;
        await using var begin = database.Source.CreateCommand("SELECT begin_rotation($1, $2, $3)");
        begin.Parameters.Add(new NpgsqlParameter<long> { TypedValue = next });
        begin.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = Canary.OfMaskingKey(keys, next) });
        begin.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = options.Value.ReplicaGoneAfter });
        if (await begin.ExecuteScalarAsync(stopping) is not true)
            return false;
        if (await RotationState.ReadAsync(database.Source, stopping) is { Running: { } rotation })
            logger.RotationBegins(rotation.FromKeyId, rotation.ToKeyId, rotation.Total);
        return true;
    }

    private async Task<string?> HindranceAsync(uint next, CancellationToken stopping)
    {
        await using var command = database.Source.CreateCommand("SELECT rotation_hindrance($1, $2)");
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = next });
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = options.Value.ReplicaGoneAfter });
        return await command.ExecuteScalarAsync(stopping) as string;
    }

    private async Task<Step> TakeStepAsync(CancellationToken stopping)
    {
        Turn turn;
        await using (var connection = await database.Source.OpenConnectionAsync(stopping))
        {
            await using var transaction = await connection.BeginTransactionAsync(stopping);
            if (await Turn.TryTakeAsync(connection, replica.ReplicaId, options.Value.WorkerGoneAfter, stopping) is not { } taken)
                return Step.Rest;
            turn = taken;
            if (turn.Phase == RotationPhase.Copying)
                return await CopyAsync(connection, transaction, turn, stopping);
            await transaction.CommitAsync(stopping);
        }

        // The steps that follow take the lock again by themselves. Another replica would have to find this one gone before it took them too,
        // and each of them comes to the same however often it is taken.
        return turn.Phase == RotationPhase.Settling ? await SettleAsync(turn, stopping) : await CleanAsync(turn, stopping);
    }

    private async Task<Step> CopyAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, Turn turn, CancellationToken stopping)
    {
        var stepBegan = time.GetTimestamp();
        var (copied, isBusy) = await copier.CopyAsync(
            connection, turn, options.Value.ChunkRows, () => time.GetElapsedTime(began), stopping);
        await transaction.CommitAsync(stopping);
        began = time.GetTimestamp();
        metrics.Copied(copied);
        await SayProgressAsync(turn, stopping);

        // Whoever stores logins comes first.
        var share = options.Value.ShareWhileBusy;
        if (isBusy && share < 1)
            await Task.Delay(time.GetElapsedTime(stepBegan) * ((1 / share) - 1), time, stopping);
        if (copied < options.Value.ChunkRows)
            logger.RotationCopied(turn.ToKeyId);
        return Step.Again;
    }

    private async Task SayProgressAsync(Turn turn, CancellationToken stopping)
    {
        if (await RotationState.ReadAsync(database.Source, stopping) is not { Running: { } rotation } state)
            return;
        metrics.Observe(state);
        var percent = (int)(rotation.Progress * 100);
        if (said == (turn.Number, percent))
            return;
        said = (turn.Number, percent);
        logger.RotationProgress(turn.ToKeyId, percent, rotation.Copied, rotation.Total, rotation.ExpectedEndAt);
    }

    private async Task<Step> SettleAsync(Turn turn, CancellationToken stopping)
    {
        if (await MatchShadowsAsync(turn.ToKeyId, stopping) is not { } matched)
            return Step.Again;
        if (matched > 0 || preparedFor != turn.Number)
        {
            preparedFor = null;
            if (!await ScalarAsync<bool>(VerifyCopy, stopping))
            {
                logger.CopyDiffers(turn.ToKeyId);
                return Step.Again;
            }

            await ExecuteAsync("SELECT analyze_login_shadows()", stopping);
            preparedFor = turn.Number;
        }

        var sessions = await ScalarAsync<long>(CountOlderSnapshots, stopping);
        if (sessions > 0)
        {
            if (said != (turn.Number, 100))
                logger.RotationWaitsForReaders(turn.ToKeyId, sessions);
            said = (turn.Number, 100);
            return Step.Wait;
        }

        // At the last moment: what is counted or erased after it shows only with the next count.
        await rollUp.CopyAsync(turn.FromKeyId, turn.ToKeyId, stopping);
        var swapBegan = time.GetTimestamp();
        try
        {
            await ExecuteAsync("SELECT swap_login_shadows()", stopping);
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected
            or PostgresErrorCodes.ObjectNotInPrerequisiteState)
        {
            logger.SwapPutOff(turn.ToKeyId);
            await Task.Delay(options.Value.SwapRetry, time, stopping);
            return Step.Again;
        }

        logger.RotationSwapped(turn.ToKeyId, time.GetElapsedTime(swapBegan).TotalMilliseconds);
        return Step.Again;
    }

    private async Task<Step> CleanAsync(Turn turn, CancellationToken stopping)
    {
        await ExecuteAsync("SELECT end_rotation()", stopping);
        logger.RotationDone(turn.FromKeyId);
        if (await RotationState.ReadAsync(database.Source, stopping) is { } state)
            metrics.Observe(state);
        return Step.Rest;
    }

    /// <returns>How many partitions of the shadow it changed; null if another replica came first and there is nothing to do here.</returns>
    private async Task<int?> MatchShadowsAsync(uint toKeyId, CancellationToken stopping)
    {
        await using var command = Command(MatchShadows);
        command.Parameters.Add(new NpgsqlParameter<long>("to_key_id", toKeyId));
        command.Parameters.Add(new NpgsqlParameter<TimeSpan>("replica_gone_after", options.Value.ReplicaGoneAfter));
        await using var reader = await command.ExecuteReaderAsync(stopping);
        await reader.NextResultAsync(stopping);
        return await reader.ReadAsync(stopping) ? reader.GetInt32(0) : null;
    }

    private async Task ExecuteAsync(string sql, CancellationToken stopping)
    {
        await using var command = Command(sql);
        await command.ExecuteNonQueryAsync(stopping);
    }

    private async Task<T> ScalarAsync<T>(string sql, CancellationToken stopping)
    {
        await using var command = Command(sql);
        return (T)(await command.ExecuteScalarAsync(stopping))!;
    }

    private NpgsqlCommand Command(string sql)
    {
        var command = database.Source.CreateCommand(sql);
        command.CommandTimeout = LongCommandSeconds;
        return command;
    }

    private void HeldUp(string found)
    {
        if (found != problem)
            logger.RotationHeldUp(found);
        problem = found;
    }
}
