using System.Net;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using PiiMasking.ServiceDefaults;

namespace PiiMasking.SqsComponent.Hosting;

/// <summary>Plain HTTP beside the socket, for probes, people and tests: GET /healthz and /counters.</summary>
internal static class AdminListener
{
    /// <exception cref="StartupException">The address is none that can be listened on.</exception>
    public static void ListenAdmin(this KestrelServerOptions kestrel, Uri address)
    {
        if (!address.IsAbsoluteUri || address.Scheme != Uri.UriSchemeHttp || address.PathAndQuery != "/")
            throw new StartupException("Component:AdminUrl must be an http address without a path, such as http://127.0.0.1:5104");
        if (address.Host == "localhost")
            kestrel.ListenLocalhost(address.Port, Http1);
        else if (IPAddress.TryParse(address.DnsSafeHost, out var ip))
            kestrel.Listen(ip, address.Port, Http1);
        else
            throw new StartupException("Component:AdminUrl must have an IP address or localhost as its host");
    }

    private static void Http1(ListenOptions listen) => listen.Protocols = HttpProtocols.Http1;
}
