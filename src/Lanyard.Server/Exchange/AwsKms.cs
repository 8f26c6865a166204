using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using System.Xml;
using System.Xml.Linq;
using Amazon.Runtime.Credentials;
using Lanyard.Identity;
using Lanyard.Protocol.Aws;

namespace Lanyard.Server.Exchange;

/// <summary>
/// Signatures by a key that never leaves AWS KMS. The server is there by its own workload identity, a projected token and a role (<c>AWS_WEB_IDENTITY_TOKEN_FILE</c>, <c>AWS_ROLE_ARN</c>),
/// or as every AWS tool finds its credentials.
/// </summary>
internal sealed partial class AwsKms(Func<string, string?> environment, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan Margin = TimeSpan.FromMinutes(5);
    private readonly HttpClient _http = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, PooledConnectionLifetime = TimeSpan.FromMinutes(5) })
    {
        Timeout = TimeSpan.FromSeconds(10),
        MaxResponseContentBufferSize = 64 * 1024,
    };

    private AwsCredentials? _role;

    /// <returns>Null: it is no ARN of a key, nor of an alias.</returns>
    public static string? RegionOf(string arn) => KeyArn().Match(arn) is { Success: true } match ? match.Groups["region"].Value : null;

    /// <summary>RS256 over the input, which has 4096 bytes at most.</summary>
    /// <param name="arn">Of an RSA key for signing.</param>
    public async Task<Outcome<byte[]>> SignAsync(string arn, ReadOnlyMemory<byte> input, CancellationToken cancellation)
    {
        try
        {
            var region = RegionOf(arn)!;
            var endpoint = AwsEndpoint.Kms(region, environment) ?? throw new InvalidOperationException("AWS_ENDPOINT_URL_KMS must be https, or http on loopback");
            var body = new JsonObject
            {
                ["KeyId"] = arn, ["Message"] = Convert.ToBase64String(input.Span), ["MessageType"] = "RAW", ["SigningAlgorithm"] = "RSASSA_PKCS1_V1_5_SHA_256",
            };
            var content = Encoding.UTF8.GetBytes(body.ToJsonString());
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(endpoint, "/")) { Content = new ByteArrayContent(content) };
            KeyValuePair<string, string>[] headers = [new("Content-Type", "application/x-amz-json-1.1"), new("X-Amz-Target", "TrentService.Sign")];
            var keys = await CredentialsAsync(region, cancellation);
            foreach (var (name, value) in new SigV4(keys, region, "kms", time.GetUtcNow()).Sign("POST", endpoint.Authority, "/", [], headers, content)) request.Headers.TryAddWithoutValidation(name, value);
            request.Headers.TryAddWithoutValidation(headers[1].Key, headers[1].Value);
            request.Content.Headers.ContentType = new(headers[0].Value);
            using var answer = await _http.SendAsync(request, cancellation);
            var said = JsonNode.Parse(await answer.Content.ReadAsByteArrayAsync(cancellation))!;
            return answer.IsSuccessStatusCode ? Convert.FromBase64String(said["Signature"]!.GetValue<string>()) : new Refusal(RefusalReason.Unavailable, $"KMS does not sign: {(int)answer.StatusCode} {(string?)said["__type"]}");
        }
        catch (Exception e) when ((e is OperationCanceledException && !cancellation.IsCancellationRequested) || e is HttpRequestException or IOException or UnauthorizedAccessException or JsonException or XmlException
            or InvalidOperationException or FormatException or NullReferenceException or Amazon.Runtime.AmazonClientException or Amazon.Runtime.AmazonServiceException)
        {
            return new Refusal(RefusalReason.Unavailable, $"KMS does not sign: {e.GetType().Name}: {e.Message}");
        }
    }

    public void Dispose() => _http.Dispose();

    private async Task<AwsCredentials> CredentialsAsync(string region, CancellationToken cancellation)
    {
        if (environment("AWS_WEB_IDENTITY_TOKEN_FILE") is { Length: > 0 } file && environment("AWS_ROLE_ARN") is { Length: > 0 } role)
        {
            if (_role is { } kept && kept.Expires - Margin > time.GetUtcNow()) return kept;
            return _role = await AssumeAsync(region, role, await File.ReadAllTextAsync(file, cancellation), cancellation);
        }

        if (environment("AWS_ACCESS_KEY_ID") is { Length: > 0 } id && environment("AWS_SECRET_ACCESS_KEY") is { Length: > 0 } secret) return new AwsCredentials(id, secret, environment("AWS_SESSION_TOKEN"));
        var found = await DefaultAWSCredentialsIdentityResolver.GetCredentials().GetCredentialsAsync();
        return new AwsCredentials(found.AccessKey, found.SecretKey, string.IsNullOrEmpty(found.Token) ? null : found.Token);
    }

    private async Task<AwsCredentials> AssumeAsync(string region, string role, string token, CancellationToken cancellation)
    {
        var endpoint = AwsEndpoint.Sts(region, environment) ?? throw new InvalidOperationException("AWS_ENDPOINT_URL_STS must be https, or http on loopback");
        using var form = new FormUrlEncodedContent(
        [
            new("Action", "AssumeRoleWithWebIdentity"), new("Version", "2011-06-15"), new("RoleArn", role), new("RoleSessionName", environment("AWS_ROLE_SESSION_NAME") is { Length: > 0 } name ? name : "lanyard"),
            new("DurationSeconds", "3600"), new("WebIdentityToken", token.Trim()),
        ]);
        using var answer = await _http.PostAsync(new Uri(endpoint, "/"), form, cancellation);
        using var reader = XmlReader.Create(new StringReader(await answer.Content.ReadAsStringAsync(cancellation)), new XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit, XmlResolver = null });
        var root = XElement.Load(reader);
        string? Of(string element) => root.Descendants().FirstOrDefault(one => one.Name.LocalName == element)?.Value;
        return answer.IsSuccessStatusCode && Of("AccessKeyId") is { } id && Of("SecretAccessKey") is { } secret
            ? new AwsCredentials(id, secret, Of("SessionToken"), DateTimeOffset.Parse(Of("Expiration")!, System.Globalization.CultureInfo.InvariantCulture))
            : throw new InvalidOperationException($"STS gives no credentials of {role}: {Of("Code")}");
    }

    [GeneratedRegex("""\Aarn:aws[a-z-]{0,20}:kms:(?<region>[a-z0-9-]{1,32}):[0-9]{12}:(key/[A-Za-z0-9-]{1,64}|alias/[A-Za-z0-9/_-]{1,250})\z""", RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex KeyArn();
}
