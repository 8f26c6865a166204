using System.Security.Cryptography;
using System.Text;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Federation;

/// <summary>Encrypts a token for the seconds that it waits in the database for its review; bound to the review's id.</summary>
/// <param name="key">32 bytes, the same on every replica.</param>
internal sealed class ReviewSeal(byte[] key)
{
    private readonly RowBox _box = new(key);

    public string Close(string token, string id) => Convert.ToBase64String(_box.Close(Encoding.ASCII.GetBytes(token), id));

    /// <exception cref="CryptographicException">Another key file, another row, or changed bytes.</exception>
    public string Open(string sealedToken, string id) => Encoding.ASCII.GetString(_box.Open(Convert.FromBase64String(sealedToken), id));
}
