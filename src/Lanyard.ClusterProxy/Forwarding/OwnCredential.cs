using System.Text;

namespace Lanyard.ClusterProxy.Forwarding;

/// <summary>The proxy's own bearer token (none when a client certificate speaks for it); replaced when its file changes.</summary>
internal sealed class OwnCredential
{
    private byte[] _line = [];

    /// <summary>The finished Authorization line, or nothing.</summary>
    public ReadOnlySpan<byte> AuthorizationLine => Volatile.Read(ref _line);

    /// <exception cref="ArgumentException">The token has characters that no bearer token has.</exception>
    public void Set(string? token)
    {
        if (token is not null && (token.Length == 0 || token.AsSpan().ContainsAnyExceptInRange('!', '~')))
        {
            throw new ArgumentException("the proxy's own token is empty or has characters that no token has");
        }

        Volatile.Write(ref _line, token is null ? [] : Encoding.ASCII.GetBytes($"Authorization: Bearer {token}\r\n"));
    }
}
