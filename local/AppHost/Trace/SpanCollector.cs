using System.Collections.Concurrent;
using System.Net;
using PiiMasking.Backing;

namespace PiiMasking.AppHost;

/// <summary>A collector for OTLP over HTTP that keeps the spans of the traces it was told about, and forgets everything else.</summary>
internal sealed class SpanCollector : IAsyncDisposable
{
    private readonly LoopbackPort port = LoopbackPort.Reserve();
    private readonly HttpListener listener = new();
    private readonly ConcurrentDictionary<string, ConcurrentQueue<Span>> traces = new(StringComparer.Ordinal);
    private readonly Task serving;

    public SpanCollector()
    {
        listener.Prefixes.Add($"http://127.0.0.1:{port}/");
        listener.Start();
        serving = Task.Run(ServeAsync);
    }

    /// <summary>Makes a program of ours export to it, at once, and only what belongs to somebody's trace.</summary>
    public IReadOnlyDictionary<string, string?> Environment => new Dictionary<string, string?>
    {
        ["OTEL_EXPORTER_OTLP_ENDPOINT"] = $"http://127.0.0.1:{port}",
        ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
        ["OTEL_TRACES_SAMPLER"] = "parentbased_always_off",
        ["OTEL_BSP_SCHEDULE_DELAY"] = "100",
    };

    /// <summary>Keeps the spans of a trace from now on.</summary>
    public void Watch(string traceId) => traces.TryAdd(traceId, new());

    /// <returns>What has come of a trace so far, by start.</returns>
    public IReadOnlyList<Span> Of(string traceId) => [.. traces[traceId].OrderBy(span => span.Start)];

    public async ValueTask DisposeAsync()
    {
        listener.Stop();
        await serving;
        listener.Close();
        port.Dispose();
    }

    private async Task ServeAsync()
    {
        while (listener.IsListening)
        {
            HttpListenerContext context;
            try
            {
                context = await listener.GetContextAsync();
            }
            catch (Exception stopped) when (stopped is HttpListenerException or ObjectDisposedException or InvalidOperationException)
            {
                return;
            }

            try
            {
                await TakeAsync(context);
            }
            catch (Exception hungUp) when (hungUp is HttpListenerException or IOException or ObjectDisposedException)
            {
                // The program was stopped, or killed.
            }
        }
    }

    private async Task TakeAsync(HttpListenerContext context)
    {
        using var body = new MemoryStream();
        await context.Request.InputStream.CopyToAsync(body);
        if (context.Request.Url?.AbsolutePath == "/v1/traces")
        {
            foreach (var span in OtlpTraces.Read(body.GetBuffer().AsSpan(0, (int)body.Length)))
            {
                if (traces.TryGetValue(span.TraceId, out var spans))
                    spans.Enqueue(span);
            }
        }

        context.Response.ContentType = "application/x-protobuf";
        context.Response.Close();
    }
}
