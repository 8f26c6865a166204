using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Lanyard.Identity;
using Lanyard.Identity.Jose;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Cache.Blobs;

internal enum BlobPermission
{
    /// <summary>GET and HEAD.</summary>
    Read,

    /// <summary>PUT.</summary>
    Write,
}

/// <summary>
/// Pre-signed URLs: <c>/cache/{workspace}/{blob}?se=…&amp;sp=r|w&amp;kv=…&amp;sig=…</c>. The signature (HMAC-SHA256) covers permission, path (which names
/// workspace and entry), expiry and key; other query parameters, which the clients' SDKs add, are not looked at. The key of a day (<c>kv</c>, days since
/// 1970) is derived from the server's secret, so that all replicas have it and none is stored; yesterday's is still taken. The signature is called
/// <c>sig</c>, because clients mask that name in their logs.
/// </summary>
internal sealed class BlobUrls(byte[] secret, TimeProvider time)
{
    public static readonly TimeSpan UploadLife = TimeSpan.FromHours(1);
    public static readonly TimeSpan DownloadLife = TimeSpan.FromMinutes(10);

    /// <summary>Three segments: older SDKs read less on an IP address as something else.</summary>
    public const string Route = "/cache/{workspace}/{blob}";

    private readonly Lock _gate = new();
    private readonly Dictionary<long, byte[]> _keys = [];

    /// <param name="origin">Scheme and authority, without a slash at the end.</param>
    public string Sign(string origin, string workspaceId, string blob, BlobPermission permission)
    {
        var now = time.GetUtcNow();
        var expires = (now + (permission == BlobPermission.Write ? UploadLife : DownloadLife)).ToUnixTimeSeconds();
        var day = DayOf(now);
        var path = $"/cache/{workspaceId}/{blob}";
        var letter = LetterOf(permission);
        return string.Create(CultureInfo.InvariantCulture, $"{origin}{path}?se={expires}&sp={letter}&kv={day}&sig={Signature(day, letter, path, expires)}");
    }

    /// <returns>Null when the URL is good for the permission.</returns>
    public Refusal? Check(HttpRequest request, BlobPermission wanted)
    {
        var query = request.Query;
        if (query["se"] is not [{ } se] || query["sp"] is not [{ } sp] || query["kv"] is not [{ } kv] || query["sig"] is not [{ } sig])
            return new Refusal(RefusalReason.TokenMissing, "the URL is not signed");
        if (!long.TryParse(se, NumberStyles.None, CultureInfo.InvariantCulture, out var expires)
            || !long.TryParse(kv, NumberStyles.None, CultureInfo.InvariantCulture, out var day))
            return new Refusal(RefusalReason.TokenMalformed, "se or kv is no number");
        var now = time.GetUtcNow();
        if (Math.Abs(DayOf(now) - day) > 1) return new Refusal(RefusalReason.KeyUnknown, $"the key of day {day} is not in use");
        var good = CryptographicOperations.FixedTimeEquals(
            Encoding.UTF8.GetBytes(Signature(day, sp, request.Path.Value ?? "", expires)), Encoding.UTF8.GetBytes(sig));
        if (!good) return new Refusal(RefusalReason.SignatureInvalid, "the URL's signature is another's");
        if (now.ToUnixTimeSeconds() >= expires) return new Refusal(RefusalReason.Expired, $"the URL expired at {expires}");
        return sp == LetterOf(wanted) ? null : new Refusal(RefusalReason.ScopeNotAllowed, $"the URL is good for {sp} only");
    }

    private string Signature(long day, string permission, string path, long expires)
    {
        var text = string.Create(CultureInfo.InvariantCulture, $"lanyard-blob-1\n{permission}\n{path}\n{expires}\n{day}");
        return Base64Url.Encode(HMACSHA256.HashData(KeyOf(day), Encoding.UTF8.GetBytes(text)));
    }

    private byte[] KeyOf(long day)
    {
        lock (_gate)
        {
            if (_keys.TryGetValue(day, out var known)) return known;
            if (_keys.Count >= 4) _keys.Clear();
            return _keys[day] = HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, 32, info: Encoding.UTF8.GetBytes($"lanyard cache urls {day}"));
        }
    }

    private static long DayOf(DateTimeOffset now) => now.ToUnixTimeSeconds() / 86_400;

    private static string LetterOf(BlobPermission permission) => permission == BlobPermission.Write ? "w" : "r";
}
