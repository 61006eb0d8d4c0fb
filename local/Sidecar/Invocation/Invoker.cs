using System.Net;
using System.Text;
using Grpc.Core;
using Microsoft.AspNetCore.Http.Features;
using PiiMasking.Sidecar.Api;
using PiiMasking.Sidecar.App;
using PiiMasking.Sidecar.Resources;
using Yarp.ReverseProxy.Forwarder;

namespace PiiMasking.Sidecar.Invocation;

/// <summary>Service invocation: from the own app to another's sidecar, and from other sidecars to the own app.</summary>
internal sealed class Invoker(
    SidecarOptions options, Configuration configuration, NameResolution names, AppChannel app, IHttpForwarder forwarder,
    TimeProvider time, ILogger<Invoker> logger) : IDisposable
{
    // The built-in policy DaprBuiltInServiceRetries.
    private const int Retries = 3;
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    private readonly HttpMessageInvoker sidecars = new(new SocketsHttpHandler
    {
        ActivityHeadersPropagator = null,
        AllowAutoRedirect = false,
        UseCookies = false,
        UseProxy = false,
        RequestHeaderEncodingSelector = (_, _) => Encoding.UTF8,
        ResponseHeaderEncodingSelector = (_, _) => Encoding.UTF8,
    });

    private readonly ToApp toApp = new(app, options);

    /// <summary>A request of the own app, or of whoever uses its API.</summary>
    /// <exception cref="ApiException">It names no app, or the app cannot be asked.</exception>
    public async Task InvokeAsync(HttpContext context)
    {
        var target = Find(context);
        // "app.namespace" is the same as "app" where there are no namespaces.
        var appId = target.AppId.Split('.') is [{ Length: > 0 } bare, ..] ? bare : target.AppId;
        if (target.AppId.Contains("://", StringComparison.Ordinal))
            throw Failed(target.AppId, "HTTP endpoints outside Dapr are not supported by this stand-in");

        context.Features.Set(new InvocationFeature(PathAndQuery(context, target), appId));
        if (appId == options.AppId)
            await ForwardToAppAsync(context, target.AppId);
        else
            await ForwardToSidecarAsync(context, target.AppId, appId);
    }

    /// <summary>A request of another sidecar, at the internal port.</summary>
    public async Task AnswerAsync(HttpContext context)
    {
        var callee = context.Request.Headers["dapr-callee-app-id"].ToString();
        var path = RawPath(context);
        if (callee != options.AppId)
        {
            // A file of the name resolution outlived its sidecar, and this one got the port.
            new CalleeFailure("Unavailable", $"this is the sidecar of {options.AppId}").Write(context.Response);
        }
        else if (configuration.AccessControl is { AllowsUnknownCallers: false })
        {
            logger.AccessDenied(context.Request.Method);
            new CalleeFailure(
                "PermissionDenied",
                $"access control policy has denied access to id:  operation: {path.TrimStart('/')} verb: {context.Request.Method}")
                .Write(context.Response);
        }
        else
        {
            context.Features.Set(new InvocationFeature(path + context.Request.QueryString.Value, callee));
            if (await TryForwardToAppAsync(context) is { } failure)
                failure.Write(context.Response);
        }
    }

    public void Dispose() => sidecars.Dispose();

    private static InvocationTarget Find(HttpContext context)
    {
        var headers = context.Request.Headers;
        return InvocationTarget.Find(RawPath(context), headers[InvocationTarget.AppIdHeader], headers.Authorization)
            ?? throw new ApiException(
                StatusCodes.Status404NotFound, StatusCode.NotFound, "ERR_DIRECT_INVOKE",
                "failed getting app id either from the URL path or the header dapr-app-id");
    }

    private static string PathAndQuery(HttpContext context, InvocationTarget target)
    {
        if (!target.TryClean(out var path))
        {
            throw new ApiException(
                StatusCodes.Status400BadRequest, StatusCode.InvalidArgument, "ERR_DIRECT_INVOKE", "invalid method name");
        }

        return new PathString("/" + path).ToUriComponent() + context.Request.QueryString.Value;
    }

    // The path as it came: the parsed one has lost its encoding.
    private static string RawPath(HttpContext context)
    {
        var target = context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        if (!target.StartsWith('/'))
            return context.Request.Path.ToUriComponent();
        var query = target.IndexOf('?', StringComparison.Ordinal);
        return query < 0 ? target : target[..query];
    }

    private async Task ForwardToAppAsync(HttpContext context, string appId)
    {
        if (await TryForwardToAppAsync(context) is { } failure)
            throw Failed(appId, Text(failure));
    }

    /// <returns>Null once the app has answered or the caller has gone.</returns>
    private async Task<CalleeFailure?> TryForwardToAppAsync(HttpContext context)
    {
        var version = options.AppSpeaksHttp2 ? HttpVersion.Version20 : HttpVersion.Version11;
        var prefix = app.Address.ToString();
        var error = await forwarder.SendAsync(context, prefix, app.Invoker, Forwarding.Unlimited(version), toApp);
        if (!IsUnanswered(context, error))
            return null;
        return new CalleeFailure("Internal", "error invoking app channel: " + AppErrors.Describe(Cause(context)));
    }

    private async Task ForwardToSidecarAsync(HttpContext context, string appId, string calleeAppId)
    {
        // Without a length the body can be sent only once, so there is no second try (dapr#9625).
        var mayRepeat = context.Request.ContentLength is not null
            || context.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: false };
        // Kept in memory as long as it may have to be sent again.
        if (mayRepeat && context.Request.ContentLength is { } length and > 0)
            context.Request.EnableBuffering(bufferThreshold: (int)Math.Min(length, int.MaxValue));

        for (var retry = 0; ; retry++)
        {
            var address = await names.ResolveAsync(calleeAppId, context.RequestAborted)
                ?? throw Failed(appId, $"couldn't find service: {appId}");

            var toSidecar = new ToSidecar(address, options);
            var config = Forwarding.Unlimited(HttpVersion.Version11);
            var error = await forwarder.SendAsync(context, $"http://{address}/", sidecars, config, toSidecar);
            var failure = context.Features.GetRequiredFeature<InvocationFeature>().Failure;
            if (failure is null && IsUnanswered(context, error))
                failure = new CalleeFailure("Unavailable", "connection error: " + AppErrors.Describe(Cause(context)));
            if (failure is null)
                return;

            var text = Text(failure);
            if (failure.IsDenied)
                throw Failed(appId, text, StatusCodes.Status403Forbidden, StatusCode.PermissionDenied);
            if (failure.Code != "Unavailable")
                throw Failed(appId, text);
            if (!mayRepeat || retry == Retries)
                throw Failed(appId, retry == 0 ? text : $"failed to invoke target {appId} after {retry} retries. Error: {text}");

            logger.InvocationRetried(appId, retry + 1);
            await Task.Delay(RetryAfter, time, context.RequestAborted);
            Rewind(context);
        }
    }

    private static void Rewind(HttpContext context)
    {
        context.Response.Clear();
        context.Features.GetRequiredFeature<InvocationFeature>().Failure = null;
        context.Features.Set<IForwarderErrorFeature>(null);
        if (context.Request.Body.CanSeek)
            context.Request.Body.Position = 0;
    }

    /// <exception cref="ApiException">The caller's body was too large.</exception>
    private static bool IsUnanswered(HttpContext context, ForwarderError error)
    {
        if (error == ForwarderError.None || context.Response.HasStarted || context.RequestAborted.IsCancellationRequested)
            return false;
        for (var cause = Cause(context); cause is not null; cause = cause.InnerException!)
        {
            if (cause is BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge } tooLarge)
                throw tooLarge;
        }

        return true;
    }

    private static Exception Cause(HttpContext context) =>
        context.GetForwarderErrorFeature()?.Exception ?? new HttpRequestException("no answer");

    private static string Text(CalleeFailure failure) => $"rpc error: code = {failure.Code} desc = {failure.Description}";

    private static ApiException Failed(
        string appId, string error, int status = StatusCodes.Status500InternalServerError, StatusCode code = StatusCode.Internal) =>
        new(status, code, "ERR_DIRECT_INVOKE", $"failed to invoke, id: {appId}, err: {error}");
}
