namespace PiiMasking.AppHost;

/// <summary>One run: bring the system up, send, show, and stay until asked to stop.</summary>
internal sealed class Run(AppHostOptions options, State state, Screen screen)
{
    private const int Done = 0;
    private const int NotThrough = 1;

    /// <returns>The exit code.</returns>
    public async Task<int> RunAsync(CancellationToken stopping)
    {
        if (options.Reset)
        {
            state.Reset();
            screen.Note($"Removed the data, the queue and the keysets of earlier runs from {state.Folder}");
        }

        await using var collector = options.Trace ? new SpanCollector() : null;
        var how = new LocalSystemOptions { Sidecar = options.Sidecar, OnlyBacking = options.OnlyBacking, Debug = options.Debug };
        if (collector is not null)
            how = how with { Environment = collector.Environment };
        await using var system = await LocalSystem.StartAsync(how, state, screen.Note, stopping);
        if (options.OnlyBacking)
        {
            screen.Headline("Ready for `dapr run -f .` in another terminal. Ctrl-C stops it.");
            NotePeople(system);
            return await StayUpAsync(system, stopping);
        }

        if (collector is not null)
        {
            await ShowTraceAsync(new TracedLogin(system, collector, TimeProvider.System), stopping);
            return Done;
        }

        var isThrough = await DeliverAsync(system, stopping);
        if (options.Once)
            return isThrough ? Done : NotThrough;

        screen.Headline("The system stays up. Ctrl-C stops it.");
        screen.Note(
            $"Send it something: AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local aws sqs send-message --region us-east-1 "
            + $"--endpoint-url {system.QueueEndpoint} --queue-url {system.QueueEndpoint}000000000000/{LoginQueue.Name} --message-body '…'");
        NotePeople(system);
        return await StayUpAsync(system, stopping);
    }

    /// <summary>In a form that a shell takes.</summary>
    private void NotePeople(LocalSystem system)
    {
        screen.Note(
            "To reveal, look up and replay as services/MaskingService/README.md shows, "
            + $"with a token for {PeopleAccess.Lifetime.TotalHours:0} hours:");
        screen.Whole($"export PEOPLE={system.PeopleAddress.GetLeftPart(UriPartial.Authority)}");
        screen.Whole($"export TOKEN={system.People.NewToken(TimeProvider.System)}");
    }

    private async Task ShowTraceAsync(TracedLogin login, CancellationToken stopping)
    {
        var spans = await login.SendAsync(SampleLogins.Make(1).Single().Body, stopping);
        screen.Headline($"Trace {login.TraceId} of one login");
        foreach (var line in login.Describe(spans))
            screen.Whole(line);
    }

    private static async Task<int> StayUpAsync(LocalSystem system, CancellationToken stopping)
    {
        try
        {
            await system.StayUpAsync(stopping);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Asked to stop: the ordinary end.
        }

        return Done;
    }

    private async Task<bool> DeliverAsync(LocalSystem system, CancellationToken stopping)
    {
        var samples = options.File is { } file ? SampleFile.ReadAsync(file, stopping) : SampleLogins.Make(options.Messages).ToAsyncEnumerable();
        int? expected = options.File is null ? options.Messages : null;
        screen.Headline(options.File is null ? $"Sending {options.Messages} sample logins" : $"Sending the lines of {options.File.FullName}");

        var delivery = new Delivery(system.Queue, system.Database, TimeProvider.System);
        // A program that has been given up ends the delivery too.
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        var delivering = screen.WatchAsync(expected, report => delivery.RunAsync(samples, report, ended.Token));
        var broken = system.StayUpAsync(ended.Token);
        if (await Task.WhenAny(delivering, broken) == broken)
        {
            await ended.CancelAsync();
            await ((Task)delivering).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await broken;
        }

        var result = await delivering;
        await ended.CancelAsync();
        await broken.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await new Report(system, state, staysUp: !options.Once, screen).ShowAsync(result, stopping);
        return result.IsComplete && result.FoundTheDuplicates;
    }
}
