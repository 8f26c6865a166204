using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Lanyard.Cli.Runner.Endpoint;

/// <summary>An attempt's own bearer for the loopback endpoint: 256 random bits, compared in constant time.</summary>
internal sealed class EndpointBearer
{
    private readonly byte[] _bytes;

    public EndpointBearer()
    {
        Text = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        _bytes = Encoding.ASCII.GetBytes(Text);
    }

    public string Text { get; }

    public bool Matches(string presented) => CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(presented), _bytes);

    /// <summary>The bearer itself never shows.</summary>
    public override string ToString() => "(bearer)";
}
