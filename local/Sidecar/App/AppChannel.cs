using System.Net;
using System.Text;

namespace PiiMasking.Sidecar.App;

/// <summary>Why a call did not reach the app. The text is daprd's.</summary>
internal sealed class AppChannelException(string message) : HttpRequestException(message);

/// <summary>The way to the app: pooled connections, no timeout, no redirects, the app API token on every call.</summary>
internal sealed class AppChannel : IDisposable
{
    public const string TokenHeader = "dapr-api-token";

    private readonly SidecarOptions options;
    private readonly SocketsHttpHandler connections;
    private volatile bool isHealthy = true;

    public AppChannel(SidecarOptions options)
    {
        this.options = options;
        connections = new SocketsHttpHandler
        {
            ActivityHeadersPropagator = null,
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            EnableMultipleHttp2Connections = true,
            RequestHeaderEncodingSelector = (_, _) => Encoding.UTF8,
            ResponseHeaderEncodingSelector = (_, _) => Encoding.UTF8,
        };
        Invoker = new HttpMessageInvoker(new Gate(this), disposeHandler: false);
        Address = new UriBuilder(Uri.UriSchemeHttp, options.AppChannelAddress, options.AppPort ?? 80).Uri;
    }

    public bool Exists => options.AppPort is not null;

    public Uri Address { get; }

    /// <summary>For deliveries and invocations: refuses while the app is unhealthy and keeps to --app-max-concurrency.</summary>
    public HttpMessageInvoker Invoker { get; }

    /// <summary>Set by the health probes; true where there are none.</summary>
    public bool IsHealthy
    {
        get => isHealthy;
        set => isHealthy = value;
    }

    public HttpRequestMessage Request(HttpMethod method, string path) => new(method, new Uri(Address, "/" + path.TrimStart('/')))
    {
        Version = options.AppSpeaksHttp2 ? HttpVersion.Version20 : HttpVersion.Version11,
        VersionPolicy = HttpVersionPolicy.RequestVersionExact,
    };

    /// <summary>Shows the app that it is its own sidecar that calls. Replaces what anyone else has set.</summary>
    public void Authenticate(HttpRequestMessage request)
    {
        request.Headers.Remove(TokenHeader);
        if (options.AppToken is { } token)
            request.Headers.TryAddWithoutValidation(TokenHeader, token);
    }

    /// <summary>One of the sidecar's own questions, past the gate: probes, /dapr/config, /dapr/subscribe.</summary>
    public async Task<HttpResponseMessage> AskAsync(HttpRequestMessage request, CancellationToken stopping)
    {
        using var invoker = new HttpMessageInvoker(connections, disposeHandler: false);
        return await invoker.SendAsync(request, stopping);
    }

    public void Dispose()
    {
        Invoker.Dispose();
        connections.Dispose();
    }

    private sealed class Gate : DelegatingHandler
    {
        private readonly AppChannel channel;
        private readonly SemaphoreSlim? slots;

        public Gate(AppChannel channel)
            : base(channel.connections)
        {
            this.channel = channel;
            if (channel.options.AppMaxConcurrency > 0)
                slots = new SemaphoreSlim(channel.options.AppMaxConcurrency);
        }

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken stopping)
        {
            if (!channel.Exists)
                throw new AppChannelException("app channel is not initialized");
            if (!channel.IsHealthy)
                throw new AppChannelException("app is not in a healthy state");

            if (slots is null)
                return await base.SendAsync(request, stopping);

            await slots.WaitAsync(stopping);
            try
            {
                return await base.SendAsync(request, stopping);
            }
            finally
            {
                slots.Release();
            }
        }
    }
}
