using Grpc.Reflection.V1Alpha;
using PiiMasking.Backing;
using PiiMasking.Testing;

namespace PiiMasking.SqsComponent.Tests;

/// <summary>The program around the component: its socket, its start and its end.</summary>
public sealed class ProcessTests(SqsEmulatorFixture sqs, SharedComponent shared) : ContractTest(sqs, shared)
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);

    [Fact]
    public void Anybody_may_connect_to_the_socket()
    {
        if (!OperatingSystem.IsWindows())
            Assert.Equal("rw-rw-rw-", Text(File.GetUnixFileMode(Component.Socket)));
    }

    [Fact]
    public async Task A_sidecar_finds_the_service_by_reflection()
    {
        using var call = new ServerReflection.ServerReflectionClient(Component.Channel).ServerReflectionInfo(cancellationToken: Stopping);
        await call.RequestStream.WriteAsync(new ServerReflectionRequest { ListServices = "*" }, Stopping);
        Assert.True(await call.ResponseStream.MoveNext(Stopping));

        Assert.Contains(
            "dapr.proto.components.v1.PubSub",
            call.ResponseStream.Current.ListServicesResponse.Service.Select(service => service.Name));
    }

    [Fact]
    public async Task A_socket_that_was_left_behind_is_replaced()
    {
        await using var killed = await ComponentProcess.StartAsync();
        killed.Process.Send(Signal.Kill);
        await killed.Process.Exited.WaitAsync(Grace, Stopping);
        Assert.True(File.Exists(killed.Socket));

        await using var component = await ComponentProcess.StartAsync(socketsFolder: Path.GetDirectoryName(killed.Socket));

        await component.InitAsync(Settings());
    }

    [Fact]
    public async Task A_second_process_on_the_same_socket_says_so_and_leaves_the_first_alone()
    {
        var folder = Path.GetDirectoryName(Component.Socket)!;
        await using var second = ComponentProcess.Launch(new Dictionary<string, string?>(), socketsFolder: folder);

        Assert.Equal(1, await second.Process.Exited.WaitAsync(Grace, Stopping));
        Assert.Contains("another process answers on " + Component.Socket, Assert.Single(Lines(second)), StringComparison.Ordinal);
        await Component.InitAsync(Settings());
    }

    [Fact]
    public async Task A_file_that_is_no_socket_is_left_alone()
    {
        var folder = new ScratchFolder();
        Directory.CreateDirectory(folder["sockets"]);
        await File.WriteAllTextAsync(folder["sockets/sqs.sock"], "precious", Stopping);
        await using var component = ComponentProcess.Launch(folder: folder);

        Assert.Equal(1, await component.Process.Exited.WaitAsync(Grace, Stopping));

        Assert.Contains("is not a socket", Assert.Single(Lines(component)), StringComparison.Ordinal);
        Assert.Equal("precious", await File.ReadAllTextAsync(folder["sockets/sqs.sock"], Stopping));
    }

    [Theory]
    [InlineData("Component__StopWithin", "never")]
    [InlineData("Component__StopWithin", "00:00:00")]
    [InlineData("Component__AdminUrl", "tcp://127.0.0.1:1")]
    [InlineData("Component__AdminUrl", "http://example.com:1")]
    [InlineData("DAPR_COMPONENTS_SOCKETS_FOLDER", "/proc/no/such/folder")]
    public async Task A_wrong_setting_is_one_line_and_a_failed_start(string name, string value)
    {
        await using var component = ComponentProcess.Launch(new Dictionary<string, string?> { [name] = value });

        Assert.Equal(1, await component.Process.Exited.WaitAsync(Grace, Stopping));

        var line = Assert.Single(Lines(component));
        Assert.DoesNotContain("   at ", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Told_to_stop_it_takes_answers_gives_the_rest_back_and_removes_its_socket()
    {
        var (queue, url) = await QueueAsync();
        await Sqs.SendAsync(url, Enumerable.Range(0, 40).Select(i => $"body {i}"));
        await using var component = await ComponentProcess.StartAsync(
            new Dictionary<string, string?> { ["Component__StopWithin"] = "00:00:10" });
        var instance = await component.InitAsync(Settings(("batchSize", "10"), ("maxOutstandingMessages", "40")));
        await using var stream = await instance.SubscribeAsync(queue);
        var batches = await stream.TakeAsync(40);

        component.Process.Send(Signal.Terminate);
        await Sqs.SendAsync(url, ["late"]);
        await Eventually.HoldsAsync(
            "it is stopping",
            () => component.LogText.Contains("Application is shutting down", StringComparison.Ordinal),
            stopping: Stopping);
        await stream.AckAsync(batches[0]);
        await stream.AckAsync(batches[1]);
        await Eventually.HoldsAsync(
            "the acknowledged messages are deleted",
            async () => await Sqs.DepthAsync(url) is { Visible: var visible, InFlight: var hidden }
                && visible + hidden == 41 - batches[0].Events.Count - batches[1].Events.Count,
            stopping: Stopping);

        Assert.Equal(0, await component.Process.Exited.WaitAsync(Grace, Stopping));
        await HasDepthAsync(url, 41 - batches[0].Events.Count - batches[1].Events.Count, 0, TimeSpan.FromSeconds(1));
        Assert.False(File.Exists(component.Socket));
    }

    [Fact]
    public async Task Told_to_stop_with_nothing_in_work_it_does_not_wait()
    {
        var (queue, url) = await QueueAsync();
        await using var component = await ComponentProcess.StartAsync();
        var instance = await component.InitAsync(Settings());
        await using var stream = await instance.SubscribeAsync(queue);
        await Sqs.SendAsync(url, ["body"]);
        await stream.AckAsync(await stream.NextAsync());
        await HasDepthAsync(url, 0, 0);

        component.Process.Send(Signal.Terminate);

        Assert.Equal(0, await component.Process.Exited.WaitAsync(TimeSpan.FromSeconds(15), Stopping));
    }

    [Fact]
    public async Task Told_to_stop_while_the_queue_is_away_it_ends_in_time()
    {
        var (queue, url) = await QueueAsync();
        await Sqs.SendAsync(url, ["body"]);
        await using var proxy = new CountingProxy(Sqs.Endpoint);
        await using var component = await ComponentProcess.StartAsync(
            new Dictionary<string, string?> { ["Component__StopWithin"] = "00:00:03" });
        var instance = await component.InitAsync(Settings(("endpoint", proxy.Address.ToString())));
        await using var stream = await instance.SubscribeAsync(queue);
        await stream.NextAsync();
        proxy.IsDown = true;

        component.Process.Send(Signal.Terminate);

        Assert.Equal(0, await component.Process.Exited.WaitAsync(Grace, Stopping));
        Assert.Contains("could not be given back in time", component.LogText, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Suspended_for_longer_than_the_visibility_timeout_it_hands_a_message_over_once()
    {
        var (queue, url) = await QueueAsync();
        await Sqs.SendAsync(url, Enumerable.Range(0, 20).Select(i => $"body {i}"));
        await using var component = await ComponentProcess.StartAsync();
        var instance = await component.InitAsync(Settings(("visibilityTimeout", "2s")));
        await using var stream = await instance.SubscribeAsync(queue);
        var batches = await stream.TakeAsync(20);

        component.Process.Send(Signal.Stop);
        await Task.Delay(TimeSpan.FromSeconds(3), Stopping);   // the emulator's clock, not ours
        component.Process.Send(Signal.Continue);

        Assert.Null(await stream.TryNextAsync(TimeSpan.FromSeconds(2)));
        foreach (var batch in batches)
            await stream.AckAsync(batch);
        await HasDepthAsync(url, 0, 0);
        await Eventually.EqualsAsync("the counters", new Counted(20, 20, 20, 0), component.CountersAsync);   // counted a moment after the queue has done it
    }

    [Fact]
    public async Task It_counts_distinct_messages_and_logs_none_of_their_contents()
    {
        var (queue, url) = await QueueAsync();
        await Sqs.SendAsync(url, Enumerable.Range(0, 10).Select(i => $"canary-{i}"));
        await using var component = await ComponentProcess.StartAsync(
            new Dictionary<string, string?> { ["Logging__LogLevel__Default"] = "Trace", ["Logging__LogLevel__PiiMasking"] = "Trace" });
        var instance = await component.InitAsync(Settings(("secretKey", "hush-hush")));
        await using var stream = await instance.SubscribeAsync(queue);
        foreach (var batch in await stream.TakeAsync(10))
            await stream.NackAsync(batch);
        foreach (var probe in await stream.TakeAsync(1))
            await stream.AckAsync(probe);
        await stream.TakeAndAckAsync(9);
        await HasDepthAsync(url, 0, 0);

        await Eventually.EqualsAsync("the counters", new Counted(10, 10, 10, 0), component.CountersAsync, stopping: Stopping);
        Assert.DoesNotContain("canary", component.LogText, StringComparison.Ordinal);
        Assert.DoesNotContain("hush-hush", component.LogText, StringComparison.Ordinal);
    }

    private static string[] Lines(ComponentProcess component) => component.LogText.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    private static string Text(UnixFileMode mode) => string.Concat("rwxrwxrwx".Select((letter, i) =>
        ((int)mode & (1 << (8 - i))) != 0 ? letter : '-'));
}
