using System.Net.Sockets;

namespace PiiMasking.ServiceDefaults;

/// <summary>
/// The argument <c>health</c> of every program: asks a running one for its health. The images have neither shell nor curl, so a
/// container's health check is the program itself.
/// </summary>
public static class HealthProbe
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(4);

    /// <summary>Whether the arguments ask for a probe: <c>health URL</c>.</summary>
    /// <param name="args">Of the program.</param>
    /// <param name="address">What to ask, such as <c>http://127.0.0.1:5101/readyz</c>.</param>
    public static bool IsAskedFor(string[] args, out string address)
    {
        address = args is ["health", var text] ? text : "";
        return address.Length > 0;
    }

    /// <summary>Asks once and says what the answer was.</summary>
    /// <returns>Exit code: 0 if the answer came within four seconds and its status is 2xx, else 1.</returns>
    public static async Task<int> RunAsync(string address)
    {
        if (!Uri.TryCreate(address, UriKind.Absolute, out var uri) || uri.Scheme != Uri.UriSchemeHttp)
        {
            await Console.Error.WriteLineAsync("health: give an http address, such as http://127.0.0.1:5101/readyz");
            return 1;
        }

        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { Timeout = Patience };
        try
        {
            using var answer = await http.GetAsync(uri);
            await Console.Out.WriteLineAsync($"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
            return answer.IsSuccessStatusCode ? 0 : 1;
        }
        catch (Exception e) when (e is HttpRequestException or SocketException or IOException or TaskCanceledException)
        {
            await Console.Error.WriteLineAsync($"health: no answer ({e.GetType().Name})");
            return 1;
        }
    }
}
