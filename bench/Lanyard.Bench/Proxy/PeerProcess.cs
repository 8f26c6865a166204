using System.Net;
using System.Net.Sockets;
using Lanyard.Testing.Processes;

namespace Lanyard.Bench.Proxy;

/// <summary>A server of a benchmark, where it is wanted on one core from its first instruction.</summary>
internal sealed class PeerProcess : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private readonly ChildProcess _process;

    private PeerProcess(ChildProcess process) => _process = process;

    public int Id => _process.Id;

    /// <returns>Once it takes connections.</returns>
    /// <param name="core">Null: on all of them.</param>
    public static async Task<PeerProcess> StartAsync(string program, IEnumerable<string> arguments, int port, int? core, IReadOnlyDictionary<string, string?>? environment = null)
    {
        var made = new PeerProcess(core is null
            ? ChildProcess.Start(program, arguments, environment)
            : ChildProcess.Start("taskset", ["-c", $"{core}", program, .. arguments], environment));
        var began = TimeProvider.System.GetTimestamp();
        while (!await ListensAsync(port))
        {
            if (made._process.HasExited || TimeProvider.System.GetElapsedTime(began) > Patience)
            {
                var said = made._process.Output + made._process.Errors;
                await made.DisposeAsync();
                throw new InvalidOperationException($"{program} does not listen: {said}");
            }
            await Task.Delay(TimeSpan.FromMilliseconds(2), TimeProvider.System);
        }
        return made;
    }

    public ValueTask DisposeAsync() => _process.DisposeAsync();

    private static async Task<bool> ListensAsync(int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(IPAddress.Loopback, port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
