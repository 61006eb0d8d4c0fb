using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using PiiMasking.SqsComponent.Counters;
using PiiMasking.Testing;

namespace PiiMasking.SqsComponent.Tests;

public sealed class QueueDepthsTests(SqsEmulatorFixture sqs)
{
    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_waits_what_is_dead_and_how_old_the_oldest_is_are_measured_while_somebody_collects()
    {
        var time = new FakeTimeProvider();
        await using var services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        using var depths = new QueueDepths(services.GetRequiredService<IMeterFactory>(), time, NullLogger<QueueDepths>.Instance);
        var name = SqsEmulatorFixture.UniqueName();
        var dead = await sqs.CreateQueueAsync(name: name + "-dlq");
        var arn = (await sqs.Client.GetQueueAttributesAsync(dead, ["QueueArn"], Stopping)).QueueARN;
        var url = await sqs.CreateQueueAsync(new() { ["RedrivePolicy"] = $$"""{"deadLetterTargetArn":"{{arn}}","maxReceiveCount":3}""" }, name);
        await sqs.SendAsync(url, ["one", "two", "three"]);
        await sqs.SendAsync(dead, ["four"]);
        depths.Watch(name, sqs.Client, url, () => Task.FromResult<DateTimeOffset?>(time.GetUtcNow() - TimeSpan.FromSeconds(90)));
        Assert.Empty(Collect());

        await depths.AskAsync(Stopping);
        Assert.Equal(
            new Dictionary<string, double>
            {
                ["sqs.queue.waiting"] = 3,
                ["sqs.queue.in_work"] = 0,
                ["sqs.queue.dead_letters"] = 1,
                ["sqs.messages.oldest_age"] = 90,
            },
            Collect());

        await sqs.Client.DeleteQueueAsync(url, Stopping);
        await Eventually.HoldsAsync(
            "what is not known is not measured",
            async () =>
            {
                await depths.AskAsync(Stopping);
                return Collect().Count == 0;
            },
            stopping: Stopping);
    }

    [Fact]
    public async Task A_client_that_was_given_up_is_asked_no_more()
    {
        await using var services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        using var depths = new QueueDepths(
            services.GetRequiredService<IMeterFactory>(), TimeProvider.System, NullLogger<QueueDepths>.Instance);
        depths.Watch("queue", sqs.Client, await sqs.CreateQueueAsync(), () => Task.FromResult<DateTimeOffset?>(null));

        depths.Forget(sqs.Client);
        await depths.AskAsync(Stopping);

        Assert.Empty(Collect());
    }

    private static Dictionary<string, double> Collect()
    {
        var values = new Dictionary<string, double>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == MessageCounters.MeterName && instrument.IsObservable)
                    listener.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, _, _) => values[instrument.Name] = value);
        listener.SetMeasurementEventCallback<double>((instrument, value, _, _) => values[instrument.Name] = value);
        listener.Start();
        listener.RecordObservableInstruments();
        return values;
    }
}
