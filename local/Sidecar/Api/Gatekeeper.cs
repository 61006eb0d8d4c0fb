using System.Security.Cryptography;
using System.Text;
using Grpc.Core;
using Microsoft.AspNetCore.Http.Features;
using PiiMasking.Sidecar.App;

namespace PiiMasking.Sidecar.Api;

/// <summary>What every request meets first: the API token, the body limit, and answers in place of exceptions.</summary>
internal sealed class Gatekeeper(SidecarOptions options, RequestDelegate next)
{
    public async Task InvokeAsync(HttpContext context)
    {
        var isGrpc = context.Features.Get<Door>() == Door.Grpc;
        if (!IsAuthorized(context, isGrpc))
        {
            await RefuseAsync(context, isGrpc);
            return;
        }

        // Only the sidecar needs it; the app behind must not see it.
        context.Request.Headers.Remove(AppChannel.TokenHeader);
        if (isGrpc)
        {
            // gRPC limits each message, not the stream.
            if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
                limit.MaxRequestBodySize = null;
            await next(context);
            return;
        }

        try
        {
            if (context.Request.ContentLength > options.MaxBodyBytes)
                throw new BadHttpRequestException("too large", StatusCodes.Status413PayloadTooLarge);
            await next(context);
        }
        catch (ApiException refused) when (!context.Response.HasStarted)
        {
            context.Response.Clear();
            context.Response.StatusCode = refused.HttpStatus;
            await context.Response.WriteAsJsonAsync(refused.ToJson(), context.RequestAborted);
        }
        catch (BadHttpRequestException bad) when (!context.Response.HasStarted)
        {
            context.Response.Clear();
            context.Response.StatusCode = bad.StatusCode;
            var tooLarge = bad.StatusCode == StatusCodes.Status413PayloadTooLarge;
            await context.Response.WriteAsync(tooLarge ? "http: request body too large" : "bad request", context.RequestAborted);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody is left to answer.
        }
    }

    private bool IsAuthorized(HttpContext context, bool isGrpc)
    {
        // The token is for the own app; other sidecars come in through the internal port, from which it was removed.
        if (options.ApiToken is not { } token || context.Features.Get<Door>() == Door.Internal)
            return true;
        if (!isGrpc && HttpMethods.IsGet(context.Request.Method)
            && context.Request.Path.Value is "/v1.0/healthz" or "/v1.0/healthz/outbound")
            return true;
        var shown = context.Request.Headers[AppChannel.TokenHeader].ToString();
        return CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(shown), Encoding.UTF8.GetBytes(token));
    }

    private static async Task RefuseAsync(HttpContext context, bool isGrpc)
    {
        const string text = "invalid api token";
        if (isGrpc)
        {
            context.Response.ContentType = "application/grpc";
            context.Response.Headers["grpc-status"] = ((int)StatusCode.Unauthenticated).ToString("D", null);
            context.Response.Headers["grpc-message"] = text;
            return;
        }

        context.Response.StatusCode = StatusCodes.Status401Unauthorized;
        await context.Response.WriteAsync(text, context.RequestAborted);
    }
}
