using System.Buffers;
using System.Net.Http.Headers;
using PiiMasking.IngestionService.Intake;

namespace PiiMasking.IngestionService.Tests;

/// <summary>Memory that is used again must not be sent by the one who had it before.</summary>
public sealed class PooledContentTests
{
    private const int Length = 100_000;

    private static ReadOnlySpan<byte> Value => "one value "u8;

    [Fact]
    public async Task A_body_that_is_still_being_sent_stays_whole_when_it_is_disposed_and_what_it_had_before_is_wiped()
    {
        var content = new PooledContent(new MediaTypeHeaderValue("application/json"), 16);
        for (var at = 0; at < Length; at += Value.Length)
        {
            Value.CopyTo(content.GetSpan(Value.Length));
            content.Advance(Value.Length);
        }

        Assert.Equal(Length, content.Headers.ContentLength);
        using var slow = new SlowStream();
        var sending = content.CopyToAsync(slow, TestContext.Current.CancellationToken);
        content.Dispose();
        var others = Enumerable.Range(0, 20).Select(_ => ArrayPool<byte>.Shared.Rent(Length)).ToArray();
        Assert.All(others, other => Assert.False(other.AsSpan().IndexOf(Value) >= 0));
        foreach (var other in others)
            Array.Fill(other, (byte)'y');
        slow.GoOn.SetResult();
        await sending;

        Assert.Equal(Length, slow.Written.Length);
        Assert.Equal(Length / Value.Length, slow.Written.AsSpan().Count(Value));
    }

    /// <summary>Takes what is written only when it is told to.</summary>
    private sealed class SlowStream : MemoryStream
    {
        public TaskCompletionSource GoOn { get; } = new();

        public byte[] Written { get; private set; } = [];

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await GoOn.Task;
            Written = buffer.ToArray();
        }
    }
}
