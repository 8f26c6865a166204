using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Xml;
using System.Xml.Linq;
using Lanyard.Cli.Connection;
using Lanyard.Protocol.Aws;

namespace Lanyard.Cli.Issuers;

/// <summary>Short-lived keys of a role, or those that a store without roles knows.</summary>
internal sealed record S3Keys(string AccessKeyId, string SecretAccessKey, string? SessionToken);

/// <summary>
/// S3, and what speaks like it, signed by Signature Version 4. Keys are found as AWS's tools find them: the variables, else a web identity token and a role, which is what a
/// pipeline or a Lanyard run has.
/// </summary>
internal sealed class S3Target(Uri endpoint, string bucket, string prefix, string region, Func<CancellationToken, Task<S3Keys>> keys, TimeProvider time) : ObjectTarget
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);
    private S3Keys? _keys;

    public static S3Target Create(string bucket, string prefix, CliConsole console)
    {
        var region = console.Variable("AWS_REGION") ?? console.Variable("AWS_DEFAULT_REGION") ?? "us-east-1";
        var variable = console.Variable("AWS_ENDPOINT_URL_S3") is null ? "AWS_ENDPOINT_URL" : "AWS_ENDPOINT_URL_S3";
        var endpoint = new Uri(Endpoint(console, variable, $"https://s3.{region}.{AwsPartition.DomainOf(region)}"));
        return new S3Target(endpoint, bucket, prefix, region, cancellation => FindAsync(console, region, cancellation), console.Time);
    }

    protected override async Task<HttpRequestMessage> RequestAsync(HttpMethod method, string path, byte[] body, CancellationToken cancellationToken)
    {
        var (found, stamp) = (_keys ??= await keys(cancellationToken), time.GetUtcNow().UtcDateTime.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture));
        var place = "/" + string.Join('/', $"{bucket}{prefix}{path}".Split('/').Select(Uri.EscapeDataString));
        var hash = Convert.ToHexStringLower(SHA256.HashData(body));
        var headers = new SortedDictionary<string, string>(StringComparer.Ordinal) { ["host"] = endpoint.Authority, ["x-amz-content-sha256"] = hash, ["x-amz-date"] = stamp };
        if (found.SessionToken is { } session) headers["x-amz-security-token"] = session;
        var signed = string.Join(';', headers.Keys);
        var canonical = $"{method}\n{place}\n\n{string.Concat(headers.Select(static pair => $"{pair.Key}:{pair.Value}\n"))}\n{signed}\n{hash}";

        var request = new HttpRequestMessage(method, new Uri(endpoint, place));
        foreach (var (name, value) in headers.Where(static pair => pair.Key != "host")) request.Headers.TryAddWithoutValidation(name, value);
        request.Headers.TryAddWithoutValidation(
            "Authorization", $"AWS4-HMAC-SHA256 Credential={found.AccessKeyId}/{stamp[..8]}/{region}/s3/aws4_request, SignedHeaders={signed}, Signature={Signature(found, stamp, canonical)}");
        return request;
    }

    private string Signature(S3Keys found, string stamp, string canonical)
    {
        var text = $"AWS4-HMAC-SHA256\n{stamp}\n{stamp[..8]}/{region}/s3/aws4_request\n{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(canonical)))}";
        var key = Encoding.UTF8.GetBytes("AWS4" + found.SecretAccessKey);
        foreach (var part in (string[])[stamp[..8], region, "s3", "aws4_request"]) key = HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(part));
        return Convert.ToHexStringLower(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(text)));
    }

    private static async Task<S3Keys> FindAsync(CliConsole console, string region, CancellationToken cancellationToken)
    {
        if (console.Variable("AWS_ACCESS_KEY_ID") is { } id && console.Variable("AWS_SECRET_ACCESS_KEY") is { } secret) return new S3Keys(id, secret, console.Variable("AWS_SESSION_TOKEN"));
        if (console.Variable("AWS_ROLE_ARN") is not { } role || console.Variable("AWS_WEB_IDENTITY_TOKEN_FILE") is not { } file)
        {
            throw new CommandStopped(ExitCode.NotAuthenticated, "no keys for S3: AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.");
        }

        var endpoint = Endpoint(console, console.Variable("AWS_ENDPOINT_URL_STS") is null ? "AWS_ENDPOINT_URL" : "AWS_ENDPOINT_URL_STS", $"https://sts.{region}.{AwsPartition.DomainOf(region)}");
        using var http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false });
        using var request = new HttpRequestMessage(HttpMethod.Post, endpoint)
        {
            Content = new FormUrlEncodedContent(
            [
                new("Action", "AssumeRoleWithWebIdentity"), new("Version", "2011-06-15"), new("RoleArn", role), new("DurationSeconds", "900"),
                new("RoleSessionName", console.Variable("AWS_ROLE_SESSION_NAME") ?? "lanyard-issuer-export"), new("WebIdentityToken", (await File.ReadAllTextAsync(file, cancellationToken)).Trim()),
            ]),
        };
        using var response = await HttpCall.SendAsync(http, request, Limit, cancellationToken);
        return Read(await HttpCall.ReadTextAsync(response, cancellationToken));
    }

    private static S3Keys Read(string xml)
    {
        try
        {
            using var reader = XmlReader.Create(new StringReader(xml), new XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit, XmlResolver = null });
            var root = XElement.Load(reader);
            string? Of(string name) => root.Descendants().FirstOrDefault(element => element.Name.LocalName == name)?.Value;
            return Of("AccessKeyId") is { Length: > 0 } id && Of("SecretAccessKey") is { Length: > 0 } secret
                ? new S3Keys(id, secret, Of("SessionToken"))
                : throw new CommandStopped(ExitCode.NotAuthenticated, $"STS refused the role: {Printing.Plain($"{Of("Code")}: {Of("Message")}")}");
        }
        catch (XmlException)
        {
            throw new CommandStopped(ExitCode.Unreachable, "STS answered no XML.");
        }
    }
}
