using System.Net;
using Lanyard.Testing.Processes;

namespace Lanyard.Testing.Sockets;

/// <summary>A network namespace with one cable to this machine, which can be cut. Needs root and iproute2.</summary>
public sealed class NetworkSpace : IAsyncDisposable
{
    private readonly string _name;
    private readonly int _number;

    private NetworkSpace(string name, int number) => (_name, _number) = (name, number);

    /// <summary>This machine's end.</summary>
    public IPAddress Host => IPAddress.Parse($"10.95.{_number}.1");

    public static async Task<NetworkSpace> CreateAsync()
    {
        for (var number = 1; number < 255; number++)
        {
            var name = $"lrun{number}";
            if ((await Command.RunAsync("ip", ["netns", "add", name])).ExitCode != 0) continue;
            var space = new NetworkSpace(name, number);
            try
            {
                await IpAsync("link", "add", $"{name}-h", "type", "veth", "peer", "name", $"{name}-c");
                await IpAsync("link", "set", $"{name}-c", "netns", name);
                await IpAsync("addr", "add", $"{space.Host}/24", "dev", $"{name}-h");
                await IpAsync("link", "set", $"{name}-h", "up");
                await IpAsync("-n", name, "addr", "add", $"10.95.{number}.2/24", "dev", $"{name}-c");
                await IpAsync("-n", name, "link", "set", $"{name}-c", "up");
                await IpAsync("-n", name, "link", "set", "lo", "up");
                return space;
            }
            catch
            {
                await space.DisposeAsync();
                throw;
            }
        }

        throw new InvalidOperationException("there is no free network namespace, or this process may make none");
    }

    /// <summary>A program with its words, so that it runs inside.</summary>
    public string[] Inside(params IEnumerable<string> words) => ["netns", "exec", _name, .. words];

    public Task CutAsync() => IpAsync("link", "set", $"{_name}-h", "down");

    public Task MendAsync() => IpAsync("link", "set", $"{_name}-h", "up");

    public async ValueTask DisposeAsync()
    {
        await Command.RunAsync("ip", ["link", "del", $"{_name}-h"]);
        await Command.RunAsync("ip", ["netns", "del", _name]);
    }

    private static async Task IpAsync(params string[] words) => (await Command.RunAsync("ip", words)).Succeeded();
}
