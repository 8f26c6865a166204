using System.Net;
using System.Text.Json;
using Lanyard.Identity;

namespace Lanyard.Cli.Runner.Platform;

/// <summary>
/// Azure's instance metadata service: a token of the machine's managed identity (of the one in <c>AZURE_CLIENT_ID</c>, where it has several) for a resource, which is
/// the Application ID URI of an app registration. <c>AZURE_POD_IDENTITY_AUTHORITY_HOST</c> moves the service, as for Azure's own libraries.
/// </summary>
internal sealed class AzureImdsSource(string resource, Func<string, string?> environment, TimeProvider time) : TokenSource, IDisposable
{
    private const string Version = "2018-02-01";
    private readonly MetadataHttp _http = new(time);

    public override async Task<Outcome<string>> FetchAsync(CancellationToken cancellationToken)
    {
        var host = environment("AZURE_POD_IDENTITY_AUTHORITY_HOST") is { Length: > 0 } told ? told : "http://169.254.169.254";
        var client = environment("AZURE_CLIENT_ID") is { Length: > 0 } id ? $"&client_id={Uri.EscapeDataString(id)}" : "";
        if (!Uri.TryCreate($"{host.TrimEnd('/')}/metadata/identity/oauth2/token?api-version={Version}&resource={Uri.EscapeDataString(resource)}{client}", UriKind.Absolute, out var uri))
        {
            return new Refusal(RefusalReason.RequestMalformed, "AZURE_POD_IDENTITY_AUTHORITY_HOST is no URL");
        }

        if (!(await _http.SendAsync(HttpMethod.Get, uri, [new("Metadata", "true")], cancellationToken)).TryGet(out var answer, out var refusal))
        {
            return refusal;
        }

        if (answer.Status != HttpStatusCode.OK)
        {
            return new Refusal(RefusalReason.Unavailable, $"Azure's metadata service answered {(int)answer.Status}");
        }

        try
        {
            using var document = JsonDocument.Parse(answer.Body);
            return Checked(document.RootElement.GetProperty("access_token").GetString() ?? "", "Azure's metadata service");
        }
        catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return new Refusal(RefusalReason.TokenMalformed, "Azure's metadata service gave no token");
        }
    }

    public void Dispose() => _http.Dispose();
}
