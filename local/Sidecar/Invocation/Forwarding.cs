using System.Net;
using Microsoft.AspNetCore.Http.Features;
using PiiMasking.Sidecar.App;
using Yarp.ReverseProxy.Forwarder;

namespace PiiMasking.Sidecar.Invocation;

/// <summary>How an invocation is passed on: everything but what belongs to one connection or to the sidecar itself.</summary>
internal abstract class Forwarding(Uri address, Version version) : HttpTransformer
{
    private static readonly string[] HopByHop =
    [
        "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "http2-settings", "te", "trailer",
        "proxy-authorization", "proxy-authenticate",
    ];

    // YARP leaves these to its own tracing; here they pass unchanged.
    private static readonly string[] Trace = ["traceparent", "tracestate", "baggage"];

    public static ForwarderRequestConfig Unlimited(Version version) => new()
    {
        ActivityTimeout = Timeout.InfiniteTimeSpan,
        Version = version,
        VersionPolicy = HttpVersionPolicy.RequestVersionExact,
    };

    public override async ValueTask TransformRequestAsync(
        HttpContext context, HttpRequestMessage request, string destinationPrefix, CancellationToken stopping)
    {
        await base.TransformRequestAsync(context, request, destinationPrefix, stopping);
        var named = context.Request.Headers.Connection.SelectMany(value => (value ?? "").Split(',', StringSplitOptions.TrimEntries));
        foreach (var name in HopByHop.Concat(named.Where(name => name.Length > 0)))
            request.Headers.Remove(name);
        foreach (var name in Trace)
        {
            request.Headers.Remove(name);
            if (context.Request.Headers.TryGetValue(name, out var values))
                request.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values);
        }

        request.Headers.Remove(InvocationTarget.AppIdHeader);
        request.Headers.Remove(AppChannel.TokenHeader);
        request.Headers.Host = null;
        request.Version = version;
        request.RequestUri = new Uri(address, context.Features.GetRequiredFeature<InvocationFeature>().PathAndQuery);
        Complete(context, request);
    }

    protected abstract void Complete(HttpContext context, HttpRequestMessage request);
}

/// <summary>What the invocation of this request comes to. Set before it is forwarded.</summary>
/// <param name="PathAndQuery">Encoded, with a leading slash.</param>
/// <param name="CalleeAppId">Without a namespace.</param>
internal sealed record InvocationFeature(string PathAndQuery, string CalleeAppId)
{
    /// <summary>Set by the answer of the other sidecar if the app there could not be asked.</summary>
    public CalleeFailure? Failure { get; set; }
}

/// <summary>Between sidecars: why there is no answer of the app.</summary>
internal sealed record CalleeFailure(string Code, string Description)
{
    private const string CodeHeader = "sidecar-failure";
    private const string DescriptionHeader = "sidecar-failure-description";

    public bool IsDenied => Code == "PermissionDenied";

    public void Write(HttpResponse response)
    {
        response.Clear();
        response.StatusCode = StatusCodes.Status500InternalServerError;
        response.Headers[CodeHeader] = Code;
        response.Headers[DescriptionHeader] = Uri.EscapeDataString(Description);
    }

    public static CalleeFailure? Read(HttpResponseMessage response) =>
        response.Headers.TryGetValues(CodeHeader, out var codes) && response.Headers.TryGetValues(DescriptionHeader, out var texts)
            ? new CalleeFailure(codes.First(), Uri.UnescapeDataString(texts.First()))
            : null;

    /// <summary>An app must not be able to speak as a sidecar.</summary>
    public static void Strip(HttpResponseMessage response)
    {
        response.Headers.Remove(CodeHeader);
        response.Headers.Remove(DescriptionHeader);
    }
}

/// <summary>To the own app: with its token.</summary>
internal sealed class ToApp(AppChannel app, SidecarOptions options)
    : Forwarding(app.Address, options.AppSpeaksHttp2 ? HttpVersion.Version20 : HttpVersion.Version11)
{
    protected override void Complete(HttpContext context, HttpRequestMessage request) => app.Authenticate(request);

    public override async ValueTask<bool> TransformResponseAsync(
        HttpContext context, HttpResponseMessage? response, CancellationToken stopping)
    {
        if (response is not null)
            CalleeFailure.Strip(response);
        return await base.TransformResponseAsync(context, response, stopping);
    }
}

/// <summary>To another sidecar: with who calls, and for whom.</summary>
internal sealed class ToSidecar(string address, SidecarOptions options) : Forwarding(new Uri($"http://{address}"), HttpVersion.Version11)
{
    protected override void Complete(HttpContext context, HttpRequestMessage request)
    {
        Set(request, "dapr-caller-app-id", options.AppId);
        Set(request, "dapr-caller-namespace", options.EffectiveNamespace);
        Set(request, "dapr-callee-app-id", context.Features.GetRequiredFeature<InvocationFeature>().CalleeAppId);

        var host = Environment.MachineName;
        request.Headers.TryAddWithoutValidation("X-Forwarded-For", options.HostAddress);
        request.Headers.TryAddWithoutValidation("X-Forwarded-Host", host);
        request.Headers.TryAddWithoutValidation("Forwarded", $"for={options.HostAddress};by={options.HostAddress};host={host}");
    }

    public override async ValueTask<bool> TransformResponseAsync(
        HttpContext context, HttpResponseMessage? response, CancellationToken stopping)
    {
        if (response is not null && CalleeFailure.Read(response) is { } failure)
        {
            context.Features.GetRequiredFeature<InvocationFeature>().Failure = failure;
            return false;
        }

        return await base.TransformResponseAsync(context, response, stopping);
    }

    private static void Set(HttpRequestMessage request, string name, string value)
    {
        request.Headers.Remove(name);
        request.Headers.TryAddWithoutValidation(name, value);
    }
}
