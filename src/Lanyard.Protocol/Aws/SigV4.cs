using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Lanyard.Protocol.Aws;

/// <summary>
/// AWS Signature Version 4: signs a request by headers or by its query. Pure: what is signed, when, and with which keys are all given.
/// Parameters are given decoded and are encoded here, so that what is signed is what is sent.
/// </summary>
public sealed class SigV4(AwsCredentials credentials, string region, string service, DateTimeOffset time)
{
    private const string Algorithm = "AWS4-HMAC-SHA256";
    private readonly string _stamp = time.UtcDateTime.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture);

    private string Scope => $"{_stamp[..8]}/{region}/{service}/aws4_request";

    /// <summary>The headers that a request must carry: <c>X-Amz-Date</c>, <c>X-Amz-Security-Token</c> for a session, and <c>Authorization</c>.</summary>
    /// <param name="path">Already encoded, such as <c>/clusters/demo</c>.</param>
    public IReadOnlyList<KeyValuePair<string, string>> Sign(
        string method, string host, string path, IEnumerable<KeyValuePair<string, string>> query, IEnumerable<KeyValuePair<string, string>> headers, ReadOnlySpan<byte> body)
    {
        List<KeyValuePair<string, string>> added = [new("X-Amz-Date", _stamp)];
        if (credentials.SessionToken is { } session)
        {
            added.Add(new("X-Amz-Security-Token", session));
        }

        var (signed, canonical) = Canonical([new("host", host), .. headers, .. added]);
        var signature = Signature($"{method}\n{path}\n{Query(query.Order(ByName))}\n{canonical}\n{signed}\n{Hash(body)}");
        added.Add(new("Authorization", $"{Algorithm} Credential={credentials.AccessKeyId}/{Scope}, SignedHeaders={signed}, Signature={signature}"));
        return added;
    }

    /// <summary>A query that carries its own signature, in the order that the AWS CLI writes; the body is empty.</summary>
    public string Presign(
        string method, string host, string path, IEnumerable<KeyValuePair<string, string>> query, IEnumerable<KeyValuePair<string, string>> headers, int seconds)
    {
        var (signed, canonical) = Canonical([new("host", host), .. headers]);
        List<KeyValuePair<string, string>> all =
        [
            .. query,
            new("X-Amz-Algorithm", Algorithm),
            new("X-Amz-Credential", $"{credentials.AccessKeyId}/{Scope}"),
            new("X-Amz-Date", _stamp),
            new("X-Amz-Expires", seconds.ToString(CultureInfo.InvariantCulture)),
            new("X-Amz-SignedHeaders", signed),
        ];
        if (credentials.SessionToken is { } session)
        {
            all.Add(new("X-Amz-Security-Token", session));
        }

        var signature = Signature($"{method}\n{path}\n{Query(all.Order(ByName))}\n{canonical}\n{signed}\n{Hash([])}");
        return $"{Query(all)}&X-Amz-Signature={signature}";
    }

    /// <summary>RFC 3986: everything but the unreserved characters, byte by byte, in upper-case hex.</summary>
    public static string Encode(string text) => Uri.EscapeDataString(text);

    private static Comparer<KeyValuePair<string, string>> ByName { get; } = Comparer<KeyValuePair<string, string>>.Create(static (a, b) =>
        string.CompareOrdinal(Encode(a.Key), Encode(b.Key)) is var order and not 0 ? order : string.CompareOrdinal(Encode(a.Value), Encode(b.Value)));

    private static string Query(IEnumerable<KeyValuePair<string, string>> query) => string.Join('&', query.Select(static p => $"{Encode(p.Key)}={Encode(p.Value)}"));

    private static (string Signed, string Canonical) Canonical(IEnumerable<KeyValuePair<string, string>> headers)
    {
        var groups = headers
            .GroupBy(static h => h.Key.ToLowerInvariant(), static h => string.Join(' ', h.Value.Split(' ', StringSplitOptions.RemoveEmptyEntries)))
            .OrderBy(static g => g.Key, StringComparer.Ordinal).ToList();
        return (string.Join(';', groups.Select(static g => g.Key)), string.Concat(groups.Select(static g => $"{g.Key}:{string.Join(',', g)}\n")));
    }

    private string Signature(string request)
    {
        var text = $"{Algorithm}\n{_stamp}\n{Scope}\n{Hash(Encoding.UTF8.GetBytes(request))}";
        var key = Encoding.UTF8.GetBytes("AWS4" + credentials.SecretAccessKey);
        foreach (var part in (string[])[_stamp[..8], region, service, "aws4_request"])
        {
            key = HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(part));
        }

        return Convert.ToHexStringLower(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(text)));
    }

    private static string Hash(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}
