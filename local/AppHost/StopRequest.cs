using System.Runtime.InteropServices;
using PiiMasking.Backing;

namespace PiiMasking.AppHost;

/// <summary>Ctrl-C, SIGTERM, SIGHUP, or the end of the <c>dotnet run</c> above: all ask for an orderly stop.</summary>
/// <remarks>Asked a second time, this process ends at once; what it started is then ended by the kernel and the <see cref="Caretaker"/>.</remarks>
internal sealed class StopRequest : IDisposable
{
    private readonly CancellationTokenSource asked = new();
    private readonly PosixSignalRegistration[] registrations;

    public StopRequest()
    {
        registrations = [.. new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP }
            .Select(signal => PosixSignalRegistration.Create(signal, OnSignal))];
        _ = StopWithDotnetRunAsync();
    }

    public CancellationToken Token => asked.Token;

    public void Dispose()
    {
        foreach (var registration in registrations)
            registration.Dispose();
        asked.Cancel();
        asked.Dispose();
    }

    private void OnSignal(PosixSignalContext context)
    {
        context.Cancel = true;
        if (asked.IsCancellationRequested)
            Environment.Exit(130);
        asked.Cancel();
    }

    private async Task StopWithDotnetRunAsync()
    {
        try
        {
            await DotnetRun.EndedAsync(asked.Token);
            await asked.CancelAsync();
        }
        catch (OperationCanceledException)
        {
            // Stopped in another way first.
        }
    }
}
