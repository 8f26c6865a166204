using System.Diagnostics;
using System.Net.Sockets;

namespace Lanyard.Cli.Clusters;

/// <summary>
/// <c>kubectl proxy</c> on a socket in a folder of our own: kubectl authenticates however it knows to, and we speak plain HTTP to it. No TCP
/// port is opened, which anybody on this host could use.
/// </summary>
internal sealed class KubectlProxy : IDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(30);
    private readonly Process _process;
    private readonly string _folder;

    private KubectlProxy(Process process, string folder, HttpClient http)
    {
        _process = process;
        _folder = folder;
        Http = http;
    }

    public HttpClient Http { get; }

    public static async Task<KubectlProxy> StartAsync(string? kubeconfig, string? context, CancellationToken cancellationToken)
    {
        var folder = Directory.CreateTempSubdirectory("lanyard-kubectl-").FullName;
        var socket = Path.Combine(folder, "s");
        var start = new ProcessStartInfo("kubectl") { RedirectStandardOutput = true };
        foreach (var argument in Arguments(kubeconfig, context, socket))
        {
            start.ArgumentList.Add(argument);
        }

        try
        {
            var proxy = new KubectlProxy(Process.Start(start)!, folder, Client(socket));
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            limit.CancelAfter(StartLimit);
            if (await proxy._process.StandardOutput.ReadLineAsync(limit.Token) is { } line && line.Contains("Starting to serve", StringComparison.Ordinal))
            {
                return proxy;
            }

            proxy.Dispose();
            throw new CommandStopped(ExitCode.Unreachable, "kubectl proxy did not start; see above.");
        }
        catch (System.ComponentModel.Win32Exception exception)
        {
            Directory.Delete(folder, recursive: true);
            throw new CommandStopped(ExitCode.Usage, $"kubectl can't be started: {exception.Message}");
        }
    }

    public void Dispose()
    {
        Http.Dispose();
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static IEnumerable<string> Arguments(string? kubeconfig, string? context, string socket)
    {
        if (kubeconfig is not null)
        {
            yield return $"--kubeconfig={kubeconfig}";
        }

        if (context is not null)
        {
            yield return $"--context={context}";
        }

        yield return "proxy";
        yield return $"--unix-socket={socket}";
    }

    private static HttpClient Client(string path) => new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        ConnectCallback = async (_, cancellationToken) =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        },
    })
    {
        Timeout = Timeout.InfiniteTimeSpan,
    };
}
