using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text;
using Lanyard.Credentials.Kubernetes;
using Lanyard.Protocol.Aws;

namespace Lanyard.Credentials.Aws;

/// <summary><c>eks:DescribeCluster</c>, signed: an EKS cluster's address and authority.</summary>
internal static class EksClient
{
    public static async Task<(ClusterTarget? Target, string? Error, int ExitCode)> DescribeAsync(
        ClusterTarget target, AwsCredentials credentials, Func<string, string?> environment, TimeProvider time)
    {
        if (AwsEndpoint.Eks(target.Region!, environment) is not { } endpoint)
        {
            return (null, "AWS_ENDPOINT_URL_EKS must be https, or http on loopback", ExitCodes.Usage);
        }

        var path = $"/clusters/{target.Name}";
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(endpoint, path));
        foreach (var (name, value) in new SigV4(credentials, target.Region!, "eks", time.GetUtcNow()).Sign("GET", endpoint.Authority, path, [], [], []))
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        var (status, body, error) = await AwsHttp.SendAsync(request);
        if (error is not null)
        {
            return (null, error, ExitCodes.Unreachable);
        }

        try
        {
            using var document = JsonDocument.Parse(body);
            return status == HttpStatusCode.OK ? Read(target, document.RootElement.GetProperty("cluster"))
                : (null, AwsHttp.OneLine($"EKS refused to describe the cluster with status {(int)status}: {MessageOf(document.RootElement)}"), ExitCodes.Refused);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or KeyNotFoundException or FormatException or CryptographicException)
        {
            return (null, $"the answer of EKS (status {(int)status}) describes no cluster that can be reached", ExitCodes.Unreachable);
        }
    }

    private static (ClusterTarget?, string?, int) Read(ClusterTarget target, JsonElement cluster)
    {
        var authority = Encoding.ASCII.GetString(Convert.FromBase64String(cluster.GetProperty("certificateAuthority").GetProperty("data").GetString()!));
        var certificates = new X509Certificate2Collection();
        certificates.ImportFromPem(authority);
        return certificates.Count > 0 && Uri.TryCreate(cluster.GetProperty("endpoint").GetString(), UriKind.Absolute, out var server) && server.Scheme == Uri.UriSchemeHttps
            ? (target with { Server = server, Authority = authority }, null, ExitCodes.Done)
            : throw new FormatException();
    }

    private static string MessageOf(JsonElement root) =>
        root.ValueKind == JsonValueKind.Object && root.EnumerateObject().FirstOrDefault(static m => m.NameEquals("message") || m.NameEquals("Message")) is { Value.ValueKind: JsonValueKind.String } member
            ? member.Value.GetString()! : "no message";
}
