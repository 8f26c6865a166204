using System.Globalization;
using System.Net;
using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Protocol.Aws;

namespace Lanyard.Cli.Runner.Platform;

/// <summary>
/// The keys that AWS gives this host, looked for where and in the order in which AWS's own tools do: the environment, the container's endpoint (ECS, EKS pod identity),
/// the instance's metadata (IMDSv2 only). Nothing is kept: who asks, asks seldom.
/// </summary>
internal sealed class AwsAmbient(MetadataHttp http, Func<string, string?> environment)
{
    private const string ContainerHost = "http://169.254.170.2";
    private const string TokenHeader = "X-aws-ec2-metadata-token";
    private string? _session;

    public async Task<Outcome<AwsCredentials>> CredentialsAsync(CancellationToken cancellationToken)
    {
        if (Text("AWS_ACCESS_KEY_ID") is { } id && Text("AWS_SECRET_ACCESS_KEY") is { } secret)
        {
            return new AwsCredentials(id, secret, Text("AWS_SESSION_TOKEN"));
        }

        return Text("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") is { } path ? await ContainerAsync(ContainerHost + path, cancellationToken)
            : Text("AWS_CONTAINER_CREDENTIALS_FULL_URI") is { } uri ? await ContainerAsync(uri, cancellationToken)
            : await InstanceAsync(cancellationToken);
    }

    public async Task<Outcome<string>> RegionAsync(CancellationToken cancellationToken)
    {
        if ((Text("AWS_REGION") ?? Text("AWS_DEFAULT_REGION")) is { } told)
        {
            return IsRegion(told) ? told : new Refusal(RefusalReason.RequestMalformed, "AWS_REGION names no region");
        }

        var answered = await MetadataAsync("meta-data/placement/region", cancellationToken);
        return answered.TryGet(out var region, out var refusal) ? IsRegion(region.Trim()) ? region.Trim() : new Refusal(RefusalReason.Unavailable, "the metadata service names no region") : refusal;
    }

    private static bool IsRegion(string text) => text.Length is > 0 and <= 32 && text.All(static c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-');

    private string? Text(string name) => environment(name) is { Length: > 0 } text ? text : null;

    /// <summary>As AWS's tools: over plain http only to this host and to the two addresses of container agents, because the bearer goes there.</summary>
    private static bool IsContainerAgent(Uri uri) => uri.Scheme == Uri.UriSchemeHttps
        || (uri.Scheme == Uri.UriSchemeHttp && (uri.IsLoopback || uri.Host is "169.254.170.2" or "169.254.170.23" or "[fd00:ec2::23]"));

    private async Task<Outcome<AwsCredentials>> ContainerAsync(string place, CancellationToken cancellationToken)
    {
        if (!Uri.TryCreate(place, UriKind.Absolute, out var uri) || !IsContainerAgent(uri))
        {
            return new Refusal(RefusalReason.RequestMalformed, "AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or http of this host or of the container's agent");
        }

        List<KeyValuePair<string, string>> headers = [];
        try
        {
            // The file stands before the variable: it is rotated.
            var bearer = Text("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") is { } file ? (await File.ReadAllTextAsync(file, cancellationToken)).Trim() : Text("AWS_CONTAINER_AUTHORIZATION_TOKEN");
            if (bearer is not null)
            {
                headers.Add(new("Authorization", bearer));
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return new Refusal(RefusalReason.TokenMissing, $"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: {exception.Message}");
        }

        return (await http.SendAsync(HttpMethod.Get, uri, headers, cancellationToken)).TryGet(out var answer, out var refusal) ? Read(answer, "the container's endpoint") : refusal;
    }

    private async Task<Outcome<AwsCredentials>> InstanceAsync(CancellationToken cancellationToken)
    {
        const string Folder = "meta-data/iam/security-credentials/";
        if (!(await MetadataAsync(Folder, cancellationToken)).TryGet(out var roles, out var refusal))
        {
            return refusal;
        }

        var role = roles.Split('\n')[0].Trim();
        return (await AskAsync(Folder + Uri.EscapeDataString(role), cancellationToken)).TryGet(out var answer, out refusal) ? Read(answer, "the instance's metadata") : refusal;
    }

    private async Task<Outcome<string>> MetadataAsync(string path, CancellationToken cancellationToken) =>
        !(await AskAsync(path, cancellationToken)).TryGet(out var answer, out var refusal) ? refusal
        : answer.Status == HttpStatusCode.OK ? answer.Body
        : new Refusal(RefusalReason.Unavailable, $"the instance's metadata service answered {(int)answer.Status}: {(answer.Status == HttpStatusCode.NotFound ? "the instance has no role" : path)}");

    /// <summary>IMDSv2: a session first, by PUT, which what can only send a GET (a fooled proxy, say) does not get.</summary>
    private async Task<Outcome<PlatformAnswer>> AskAsync(string path, CancellationToken cancellationToken)
    {
        var host = Text("AWS_EC2_METADATA_SERVICE_ENDPOINT") ?? "http://169.254.169.254";
        if (string.Equals(Text("AWS_EC2_METADATA_DISABLED"), "true", StringComparison.OrdinalIgnoreCase))
        {
            return new Refusal(RefusalReason.TokenMissing, "the environment has no AWS credentials, and AWS_EC2_METADATA_DISABLED forbids to ask the instance");
        }

        if (!Uri.TryCreate(host.TrimEnd('/') + "/latest/", UriKind.Absolute, out var root) || root.Scheme != Uri.UriSchemeHttp)
        {
            return new Refusal(RefusalReason.RequestMalformed, "AWS_EC2_METADATA_SERVICE_ENDPOINT is no http URL");
        }

        if (_session is null)
        {
            var opened = await http.SendAsync(HttpMethod.Put, new Uri(root, "api/token"), [new("X-aws-ec2-metadata-token-ttl-seconds", "60")], cancellationToken);
            if (!opened.TryGet(out var answer, out var refusal))
            {
                return refusal;
            }

            if (answer.Status != HttpStatusCode.OK)
            {
                return new Refusal(RefusalReason.Unavailable, $"the instance's metadata service gives no session: {(int)answer.Status}");
            }

            _session = answer.Body.Trim();
        }

        return await http.SendAsync(HttpMethod.Get, new Uri(root, path), [new(TokenHeader, _session)], cancellationToken);
    }

    private static Outcome<AwsCredentials> Read(PlatformAnswer answer, string from)
    {
        if (answer.Status != HttpStatusCode.OK)
        {
            return new Refusal(RefusalReason.Unavailable, $"{from} answered {(int)answer.Status}");
        }

        try
        {
            using var document = JsonDocument.Parse(answer.Body);
            var root = document.RootElement;
            DateTimeOffset? expires = root.TryGetProperty("Expiration", out var end) && DateTimeOffset.TryParse(end.GetString(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? at : null;
            return new AwsCredentials(root.GetProperty("AccessKeyId").GetString()!, root.GetProperty("SecretAccessKey").GetString()!, root.GetProperty("Token").GetString(), expires);
        }
        catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return new Refusal(RefusalReason.Unavailable, $"{from} gave no keys");
        }
    }
}
