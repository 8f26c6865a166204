using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace Lanyard.Server.Clusters;

/// <summary>
/// The short code between two people: 40 random bits as eight characters of Crockford's base32, <c>K7QF-2M9D</c>. It only points at a request;
/// who types it must be an admin of the workspace besides.
/// </summary>
internal static class RequestCode
{
    private const string Alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

    public static string New()
    {
        Span<char> code = stackalloc char[9];
        for (var i = 0; i < code.Length; i++)
        {
            code[i] = i == 4 ? '-' : Alphabet[RandomNumberGenerator.GetInt32(Alphabet.Length)];
        }

        return new string(code);
    }

    /// <summary>Reads a code as people type it: any case, with or without the dash, I and L for 1, O for 0.</summary>
    public static bool TryParse(string typed, [NotNullWhen(true)] out string? code)
    {
        code = null;
        var plain = typed.Replace("-", "", StringComparison.Ordinal).ToUpperInvariant().Replace('I', '1').Replace('L', '1').Replace('O', '0');
        if (plain.Length != 8 || plain.Any(character => !Alphabet.Contains(character, StringComparison.Ordinal)))
        {
            return false;
        }

        code = $"{plain[..4]}-{plain[4..]}";
        return true;
    }

    /// <summary>What is stored and looked up: the table alone gives no code away at once.</summary>
    public static string HashOf(string code) => Convert.ToHexStringLower(SHA256.HashData(System.Text.Encoding.ASCII.GetBytes(code)));
}
