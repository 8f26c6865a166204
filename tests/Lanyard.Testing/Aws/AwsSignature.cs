using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Testing.Aws;

/// <summary>
/// Checks Signature Version 4 as the services do, written apart from our signer and from what arrived on the wire alone. It signs what the
/// request says was signed; that the right things were signed is what the callers ask about <see cref="Names"/>.
/// </summary>
public sealed record AwsSignature(string AccessKeyId, string Date, string Region, string Service, string[] Names, string Signature, string Stamp)
{
    /// <summary>Of the Authorization header; null when it is none of ours.</summary>
    public static AwsSignature? OfHeader(HttpRequest request)
    {
        const string Start = "AWS4-HMAC-SHA256 ";
        var header = request.Headers.Authorization.ToString();
        if (!header.StartsWith(Start, StringComparison.Ordinal))
        {
            return null;
        }

        var parts = header[Start.Length..].Split(", ").Select(static p => p.Split('=', 2)).ToDictionary(static p => p[0], static p => p[1]);
        return Of(parts["Credential"], parts["SignedHeaders"], parts["Signature"], request.Headers["X-Amz-Date"].ToString());
    }

    /// <summary>Of a presigned query.</summary>
    public static AwsSignature OfQuery(IReadOnlyDictionary<string, string> query) =>
        Of(query["X-Amz-Credential"], query["X-Amz-SignedHeaders"], query["X-Amz-Signature"], query["X-Amz-Date"]);

    public bool Matches(string secret, string method, string path, IEnumerable<KeyValuePair<string, string>> query, Func<string, string> header, string body)
    {
        var parameters = query.Where(static p => p.Key != "X-Amz-Signature").Select(static p => $"{Uri.EscapeDataString(p.Key)}={Uri.EscapeDataString(p.Value)}").Order(StringComparer.Ordinal);
        var lines = new StringBuilder().Append(method).Append('\n').Append(path).Append('\n').AppendJoin('&', parameters).Append('\n');
        foreach (var name in Names)
        {
            lines.Append(name).Append(':').Append(header(name).Trim()).Append('\n');
        }

        lines.Append('\n').AppendJoin(';', Names).Append('\n').Append(Hex(SHA256.HashData(Encoding.UTF8.GetBytes(body))));
        var text = $"AWS4-HMAC-SHA256\n{Stamp}\n{Date}/{Region}/{Service}/aws4_request\n{Hex(SHA256.HashData(Encoding.UTF8.GetBytes(lines.ToString())))}";
        var key = Mac(Mac(Mac(Mac(Encoding.UTF8.GetBytes("AWS4" + secret), Date), Region), Service), "aws4_request");
        return Hex(Mac(key, text)) == Signature;
    }

    private static AwsSignature Of(string credential, string names, string signature, string stamp) =>
        credential.Split('/') is [var id, var date, var region, var service, "aws4_request"]
            ? new AwsSignature(id, date, region, service, names.Split(';'), signature, stamp)
            : throw new FormatException("not a credential scope");

    private static byte[] Mac(byte[] key, string text) => HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(text));

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);
}
