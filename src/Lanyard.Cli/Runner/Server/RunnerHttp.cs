using System.Net;
using Lanyard.Cli.Connection;
using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runner.Server;

/// <summary>HTTP clients of the runner: no redirects, bounded answers, and roots of its own where the installation has its own.</summary>
internal static class RunnerHttp
{
    private const int MaxAnswerBytes = 8 * 1024 * 1024;

    /// <summary>To the instance.</summary>
    /// <param name="authorities">To be trusted instead of the system's roots, or null.</param>
    /// <param name="workspace">As whose runner or pod every call is made; null: that is not said.</param>
    public static HttpClient Create(Uri server, Authorities? authorities, string? workspace = null)
    {
        var handler = NewHandler();
        authorities?.Guard(handler.SslOptions);
        var client = NewClient(handler);
        client.BaseAddress = new Uri(server.AbsoluteUri.TrimEnd('/') + "/");
        if (workspace is not null)
        {
            client.DefaultRequestHeaders.Add(RunnerHeaders.Workspace, workspace);
        }

        return client;
    }

    /// <summary>To a cloud: the system's roots vouch for it, the instance's own may. Nothing is told to it that is the instance's to know.</summary>
    public static HttpClient CreateForClouds(Authorities? authorities)
    {
        var handler = NewHandler();
        authorities?.GuardBesideSystem(handler.SslOptions);
        return NewClient(handler);
    }

    private static SocketsHttpHandler NewHandler() => new()
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        ConnectTimeout = TimeSpan.FromSeconds(10),
        PooledConnectionLifetime = TimeSpan.FromMinutes(5), // addresses change
        AutomaticDecompression = DecompressionMethods.None,
    };

    private static HttpClient NewClient(SocketsHttpHandler handler) => new(handler)
    {
        Timeout = Timeout.InfiniteTimeSpan, // every call has its own
        MaxResponseContentBufferSize = MaxAnswerBytes,
    };
}
