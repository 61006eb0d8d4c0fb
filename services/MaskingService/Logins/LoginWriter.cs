using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Threading.Channels;
using Microsoft.Extensions.Options;
using Npgsql;
using PiiMasking.MaskingService.Erasure;
using PiiMasking.MaskingService.Masking;
using PiiMasking.MaskingService.Storage;

namespace PiiMasking.MaskingService.Logins;

/// <summary>
/// The bounded buffer between calls and transactions. A writer takes whatever calls are waiting, up to a number of messages, and commits them
/// together: a quiet queue gets small transactions at once, a full one gets large ones.
/// </summary>
internal sealed class LoginWriter(LoginStore store, IOptions<StorageOptions> options, IMeterFactory meters, ILogger<LoginWriter> logger)
    : IHostedService, IDisposable
{
    /// <param name="Trace">Of the request; default if nobody collects spans.</param>
    private sealed record Call(PendingMessage[] Messages, ActivityContext Trace, TaskCompletionSource Done);

    private static readonly ActivitySource Source = new(LoginMetrics.MeterName);

    private readonly Channel<Call> waiting = Channel.CreateBounded<Call>(options.Value.MaxWaitingCalls);
    private readonly CancellationTokenSource abort = new();
    private Task writers = Task.CompletedTask;

    /// <summary>Hands masked messages to a writer and waits until each has its outcome.</summary>
    /// <returns>False if there was no room for the call within <see cref="StorageOptions.MaxWait"/>; nothing was written then.</returns>
    /// <exception cref="OperationCanceledException">The caller went away; the messages may be committed all the same.</exception>
    public async Task<bool> TryWriteAsync(PendingMessage[] messages, CancellationToken cancellation)
    {
        var call = new Call(messages, Activity.Current?.Context ?? default, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        using (var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation))
        {
            patience.CancelAfter(options.Value.MaxWait);
            try
            {
                await waiting.Writer.WriteAsync(call, patience.Token);
            }
            catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
            {
                return false;
            }
            catch (ChannelClosedException)
            {
                return false;
            }
        }

        await call.Done.Task.WaitAsync(cancellation);
        return true;
    }

    /// <inheritdoc />
    public Task StartAsync(CancellationToken cancellationToken)
    {
        meters.Create(LoginMetrics.MeterName).CreateObservableGauge(
            "pii.writer.fill", ObserveFill, "{share}", "Share of the places for calls that wait for a transaction; at 1 the next call waits outside.");
        writers = Task.WhenAll(Enumerable.Range(0, options.Value.Writers).Select(_ => Task.Run(WriteAllAsync, CancellationToken.None)));
        return Task.CompletedTask;
    }

    /// <summary>Finishes what is waiting; the web server, which stops first, has let no new call in.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        waiting.Writer.TryComplete();
        await using var giveUp = cancellationToken.Register(abort.Cancel);
        await writers;
    }

    /// <inheritdoc />
    public void Dispose() => abort.Dispose();

    private async Task WriteAllAsync()
    {
        var calls = new List<Call>();
        while (await waiting.Reader.WaitToReadAsync(CancellationToken.None))
        {
            var count = 0;
            while (count < options.Value.MaxMessagesPerTransaction && waiting.Reader.TryRead(out var call))
            {
                calls.Add(call);
                count += call.Messages.Length;
            }

            // Every writer is woken for a call, and one of them has taken it.
            if (calls.Count == 0)
                continue;
            await WriteAsync(calls);
            calls.Clear();
        }
    }

    private double ObserveFill() => (double)waiting.Reader.Count / options.Value.MaxWaitingCalls;

    private async Task WriteAsync(List<Call> calls)
    {
        // One transaction for several calls: it is a part of the first one's trace, and linked to the others'.
        using var span = Source.StartActivity(
            "store logins", ActivityKind.Internal, calls[0].Trace, links: calls.Skip(1).Select(call => new ActivityLink(call.Trace)));
        var messages = calls is [var only] ? only.Messages : calls.SelectMany(call => call.Messages).ToArray();
        var most = options.Value.MaxMessagesPerTransaction;
        try
        {
            for (var at = 0; at < messages.Length; at += most)
                await store.StoreAsync(new ArraySegment<PendingMessage>(messages, at, Math.Min(most, messages.Length - at)), abort.Token);
        }
        catch (Exception e) when (e is KeyUnavailableException or GenerationMissingException or ErasureGateClosedException)
        {
            logger.TransactionFailed(e.Message);
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException or OperationCanceledException)
        {
            logger.TransactionFailed(DatabaseProblem.Describe(e));
        }
        catch (Exception e)
        {
            // A mistake of ours. The calls get their answer (retry) and the writer lives; the type alone is logged, since texts can quote values.
            logger.TransactionFailed(e.GetType().Name);
        }
        finally
        {
            foreach (var call in calls)
                call.Done.SetResult();
        }
    }
}
