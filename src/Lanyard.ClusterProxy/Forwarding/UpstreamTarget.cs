using System.Text;

namespace Lanyard.ClusterProxy.Forwarding;

/// <summary>What every head to one cluster has in common.</summary>
internal sealed class UpstreamTarget(string authority, string pathPrefix, OwnCredential credential)
{
    private readonly byte[] _hostLine = Encoding.ASCII.GetBytes($"Host: {authority}\r\n");

    public ReadOnlySpan<byte> HostLine => _hostLine;

    /// <summary>Without a slash at its end; empty for an API server at the root.</summary>
    public string PathPrefix { get; } = pathPrefix;

    public OwnCredential Credential { get; } = credential;
}
