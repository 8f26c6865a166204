using System.Net.Sockets;
using System.Text;
using Lanyard.Bench.Parts;
using Lanyard.Bench.Rows;

namespace Lanyard.Bench.Exchange;

/// <summary>
/// Connections that each send a request as soon as the one before is answered. They are made anew for every slice: between two of a server's slices
/// the others have theirs, and a server may close a connection that said nothing for so long (node does after five seconds).
/// </summary>
internal sealed class TokenLoad(Uri server)
{
    /// <summary>As many as the peers' known figures were taken with.</summary>
    private const int Connections = 64;

    /// <param name="process">The server's.</param>
    /// <param name="request">Makes each request.</param>
    /// <returns>Answers in a CPU-second of the server.</returns>
    public Task<double> RunAsync(int process, Func<byte[]> request, TimeSpan duration)
    {
        var began = TimeProvider.System.GetTimestamp();
        return RunAsync(process, () => TimeProvider.System.GetElapsedTime(began) < duration ? request() : null);
    }

    /// <summary>Each of these once.</summary>
    public Task<double> RunAsync(int process, byte[][] requests)
    {
        var next = -1;
        return RunAsync(process, () => Interlocked.Increment(ref next) is var i && i < requests.Length ? requests[i] : null);
    }

    /// <param name="next">Null: no more.</param>
    private async Task<double> RunAsync(int process, Func<byte[]?> next)
    {
        var open = new List<LeanHttp>(Connections);
        try
        {
            for (var i = 0; i < Connections; i++)
                open.Add(await LeanHttp.ConnectAsync(server));
            var cpu = Cpu.Of(process);
            var done = await Task.WhenAll(open.Select(connection => Task.Run(async () =>
            {
                var answers = 0;
                while (next() is { } request)
                {
                    await connection.SendAsync(request);
                    answers++;
                }
                return answers;
            })));
            return done.Sum() / (Cpu.Of(process) - cpu);
        }
        finally
        {
            open.ForEach(static connection => connection.Dispose());
        }
    }
}

/// <summary>npm's oidc-provider as a process.</summary>
internal sealed class IssuerPeer : IDisposable
{
    private readonly NodePeer _node;
    private readonly TokenLoad _load;
    private readonly byte[] _request;

    private IssuerPeer(NodePeer node, TokenLoad load, byte[] request) => (_node, _load, _request) = (node, load, request);

    public int Id => _node.Id;

    public static async Task<IssuerPeer> StartAsync(string algorithm)
    {
        using var probe = new TcpListener(System.Net.IPAddress.Loopback, 0);
        probe.Start();
        var port = ((System.Net.IPEndPoint)probe.LocalEndpoint).Port;
        probe.Stop();
        var server = new Uri($"http://127.0.0.1:{port}");
        var node = await NodePeer.StartAsync("issuer.mjs", algorithm, $"{port}");
        string said;
        do
        {
            said = await node.ReadAsync();
        }
        while (!said.StartsWith("secret ", StringComparison.Ordinal));
        BenchInstallation.Pin(node.Id, 0);
        var form = $"grant_type=client_credentials&client_id=ci&client_secret={said["secret ".Length..]}&scope=api&resource=urn:kube";
        var peer = new IssuerPeer(
            node, new TokenLoad(server),
            LeanHttp.Request(server, "POST", "/token", null, "application/x-www-form-urlencoded", Encoding.ASCII.GetBytes(form)));
        await WarmUp.RunAsync(() => peer.RunAsync(TimeSpan.FromSeconds(2)));
        return peer;
    }

    public Task<double> RunAsync(TimeSpan duration) => _load.RunAsync(Id, () => _request, duration);

    public void Dispose() => _node.Dispose();
}
