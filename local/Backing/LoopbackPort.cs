using System.Net;
using System.Net.Sockets;

namespace PiiMasking.Backing;

/// <summary>A free TCP port of 127.0.0.1 that stays ours, also while the program that listens on it is restarted.</summary>
/// <remarks>
/// The port is bound but not listened on. With SO_REUSEADDR on both sides (.NET, Node.js, Go and PostgreSQL set it) Linux lets
/// another process listen on it by number, yet never hands it out as a port of the system's own choice: neither to a
/// bind to port 0 nor to an outgoing connection. So nobody who asks for a free port can get this one in between.
/// </remarks>
public sealed class LoopbackPort : IDisposable
{
    private readonly Socket reservation;

    private LoopbackPort(Socket reservation) => this.reservation = reservation;

    /// <summary>The port's number.</summary>
    public int Number => ((IPEndPoint)reservation.LocalEndPoint!).Port;

    /// <summary>Picks a free port.</summary>
    public static LoopbackPort Reserve() => Reserve(0);

    /// <param name="number">The port wanted, or 0 for any.</param>
    /// <exception cref="BackingException">Another program listens on it.</exception>
    public static LoopbackPort Reserve(int number)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            socket.Bind(new IPEndPoint(IPAddress.Loopback, number));
            return new LoopbackPort(socket);
        }
        catch (SocketException error)
        {
            socket.Dispose();
            throw new BackingException($"Port {number} is occupied: end the program that listens on it, or choose another port.", error);
        }
    }

    /// <inheritdoc />
    public void Dispose() => reservation.Dispose();

    /// <returns>The number.</returns>
    public override string ToString() => Number.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
