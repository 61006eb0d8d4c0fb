using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Npgsql;
using PiiMasking.Backing;
using PiiMasking.Testing;

namespace PiiMasking.AppHost.Tests;

public sealed class BackingTests(PostgresFixture postgres, SqsEmulatorFixture sqs) : IDisposable
{
    private readonly ScratchFolder scratch = new();

    public void Dispose() => scratch.Dispose();

    [Fact]
    public async Task Each_test_has_a_database_of_its_own_and_can_copy_one()
    {
        await using var first = await postgres.CreateDatabaseAsync();
        await first.ExecuteAsync("CREATE TABLE t AS SELECT 42 AS answer");
        NpgsqlConnection.ClearAllPools();

        await using var copy = await postgres.CreateDatabaseAsync(first.Name);
        await using var other = await postgres.CreateDatabaseAsync();

        Assert.Equal(42, await copy.ScalarAsync<int>("SELECT answer FROM t"));
        Assert.Equal(0, await other.ScalarAsync<long>("SELECT count(*) FROM pg_tables WHERE tablename = 't'"));
    }

    [Fact]
    public async Task The_emulator_takes_and_counts_messages()
    {
        var queue = await sqs.CreateQueueAsync();

        var ids = await sqs.SendAsync(queue, Enumerable.Range(0, 25).Select(_ => A.Login()));

        Assert.Equal(25, ids.Distinct().Count());
        Assert.Equal(new QueueDepth(25, 0), await sqs.DepthAsync(queue));
    }

    [Theory]
    [InlineData(Signal.Quit)]
    [InlineData(Signal.Kill)]
    public async Task A_database_server_that_was_killed_comes_back_on_its_port_with_what_was_committed(Signal signal)
    {
        await using var server = await PostgresServer.StartAsync(await LocalPackages.EnsureAsync(), new PostgresOptions
        {
            DataFolder = scratch["data"],
            Password = "p w'd",
            LogFile = scratch["postgres.log"],
        });
        var port = server.Port;
        await using (var connection = new NpgsqlConnection(server.ConnectionString() + ";Pooling=false"))
        {
            await connection.OpenAsync();
            await using var command = new NpgsqlCommand("CREATE TABLE kept AS SELECT 7 AS seven", connection);
            await command.ExecuteNonQueryAsync();
            await server.StopAsync(signal);
        }

        await server.StartAgainAsync();

        Assert.Equal(port, server.Port);
        await using var again = new NpgsqlConnection(server.ConnectionString() + ";Pooling=false");
        await again.OpenAsync();
        await using var read = new NpgsqlCommand("SELECT seven FROM kept", again);
        Assert.Equal(7, await read.ExecuteScalarAsync());
    }

    [Fact]
    public async Task A_queue_with_a_data_folder_outlives_kill_9()
    {
        var packages = await LocalPackages.EnsureAsync();
        await using var emulator = await SqsEmulator.StartAsync(packages, scratch["sqs.log"], scratch["sqs"]);
        using var client = new Amazon.SQS.AmazonSQSClient(
            new Amazon.Runtime.BasicAWSCredentials("test", "test"),
            new Amazon.SQS.AmazonSQSConfig { ServiceURL = emulator.Endpoint.ToString(), AuthenticationRegion = SqsEmulator.Region });
        var queue = (await client.CreateQueueAsync("kept")).QueueUrl;
        await client.SendMessageAsync(queue, "still here");

        emulator.Process.Send(Signal.Kill);
        await emulator.StartAgainAsync(TestContext.Current.CancellationToken);

        Assert.Equal("still here", Assert.Single((await client.ReceiveMessageAsync(queue)).Messages).Body);
    }

    [Fact]
    public async Task A_message_that_is_given_back_to_a_queue_with_a_data_folder_is_there_again()
    {
        await using var emulator = await SqsEmulator.StartAsync(await LocalPackages.EnsureAsync(), scratch["sqs.log"], scratch["sqs"]);
        using var client = new Amazon.SQS.AmazonSQSClient(
            new Amazon.Runtime.BasicAWSCredentials("test", "test"),
            new Amazon.SQS.AmazonSQSConfig { ServiceURL = emulator.Endpoint.ToString(), AuthenticationRegion = SqsEmulator.Region });
        var queue = (await client.CreateQueueAsync("kept")).QueueUrl;
        await client.SendMessageAsync(queue, "given back");
        var received = Assert.Single((await client.ReceiveMessageAsync(queue)).Messages);

        await client.ChangeMessageVisibilityAsync(queue, received.ReceiptHandle, 0);

        var again = Assert.Single((await client.ReceiveMessageAsync(queue)).Messages);
        Assert.Equal(received.MessageId, again.MessageId);
    }

    [Fact]
    public void A_reserved_port_can_be_listened_on_by_number_and_is_given_to_nobody_else()
    {
        using var port = LoopbackPort.Reserve();

        using var listener = new TcpListener(IPAddress.Loopback, port.Number);
        listener.Start();

        var occupied = Assert.Throws<BackingException>(() => LoopbackPort.Reserve(port.Number));
        Assert.Contains($"Port {port.Number} is occupied", occupied.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_child_prints_is_in_its_log_and_its_exit_code_is_known()
    {
        var child = Shell("echo one; echo two >&2; exit 3");

        Assert.Equal(3, await child.Exited);
        Assert.Equal(["one", "two"], child.LastLines());
    }

    [Fact]
    public async Task A_child_that_ignores_its_stop_signal_is_killed()
    {
        var child = Shell("trap '' TERM; echo ready; while :; do sleep 0.1; done");
        await Eventually.HoldsAsync("the child is ready", () => child.LastLines().Contains("ready"));

        Assert.Equal(128 + 9, await child.StopAsync(TimeSpan.FromMilliseconds(200)));
    }

    [Fact]
    public async Task A_child_is_in_a_session_of_its_own()
    {
        await using var child = Shell("echo ready; sleep 60");
        await Eventually.HoldsAsync("the child is ready", () => child.LastLines().Contains("ready"));

        var stat = (await File.ReadAllTextAsync($"/proc/{child.Id}/stat")).Split(' ');

        Assert.Equal($"{child.Id}", stat[5]);
    }

    [Fact]
    public async Task Two_processes_never_hold_one_lock()
    {
        using var first = FolderLock.TryTake(scratch["lock"]);
        Assert.NotNull(first);
        Assert.Null(FolderLock.TryTake(scratch["lock"]));

        var told = false;
        var waiting = FolderLock.TakeAsync(scratch["lock"], () => told = true, TestContext.Current.CancellationToken);
        Assert.True(told);
        first.Dispose();

        using var second = await waiting;
        Assert.NotNull(second);
    }

    private ChildProcess Shell(string script) => ChildProcess.Start(new ChildProcessStart
    {
        Name = "script",
        Program = "/bin/sh",
        Arguments = ["-c", script],
        LogFile = scratch["script.log"],
    });
}
