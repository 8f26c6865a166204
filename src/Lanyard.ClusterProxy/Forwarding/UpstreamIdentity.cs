using System.Text;
using Lanyard.ClusterProxy.Impersonation;

namespace Lanyard.ClusterProxy.Forwarding;

/// <summary>
/// As whom a request goes to the API server: as an impersonated user with our own credential, or with the caller's own token, which the API
/// server judges itself. There is no third way, so that no request can go out as the proxy.
/// </summary>
internal sealed class UpstreamIdentity
{
    private readonly ImpersonationHeaders? _impersonated;
    private readonly byte[] _authorization;

    private UpstreamIdentity(ImpersonationHeaders? impersonated, byte[] authorization) => (_impersonated, _authorization) = (impersonated, authorization);

    /// <summary>The caller's token goes on, and with it the caller's own <c>Impersonate-*</c>: the API server asks its authorizer about them for the caller.</summary>
    public bool IsPassedOn => _impersonated is null;

    public static UpstreamIdentity Of(ImpersonationHeaders headers) => new(headers, []);

    /// <exception cref="ArgumentException">The token has characters that no token has.</exception>
    public static UpstreamIdentity WithToken(string token) => token.Length == 0 || token.AsSpan().ContainsAnyExceptInRange('!', '~')
        ? throw new ArgumentException("a token with characters that no token has")
        : new(null, Encoding.ASCII.GetBytes($"Authorization: Bearer {token}\r\n"));

    public ReadOnlySpan<byte> AuthorizationLine(OwnCredential own) => _impersonated is null ? _authorization : own.AuthorizationLine;

    public ReadOnlySpan<byte> ImpersonationLines => _impersonated is null ? default : _impersonated.Lines;
}
