using System.Text.Json;
using Lanyard.Server.Cache.Blobs;

namespace Lanyard.Server.Cache.Objects;

/// <summary>
/// Entra's tokens for storage by workload identity: the projected token of this server's own service account, exchanged for an access token (RFC 6749 §4.4 with
/// RFC 7523 §2.2), as the variables say that Azure's webhook sets. No secret is kept anywhere.
/// </summary>
internal sealed class AzureIdentity(Uri authority, string tenant, string client, string tokenFile, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan Margin = TimeSpan.FromMinutes(5);

    private readonly HttpClient _http = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false }) { Timeout = TimeSpan.FromSeconds(20), MaxResponseContentBufferSize = 1 << 20 };
    private readonly SemaphoreSlim _gate = new(1, 1);
    private string _token = "";
    private DateTimeOffset _until;

    /// <summary>From <c>AZURE_FEDERATED_TOKEN_FILE</c>, <c>AZURE_CLIENT_ID</c>, <c>AZURE_TENANT_ID</c>, <c>AZURE_AUTHORITY_HOST</c>.</summary>
    /// <returns>Null where any of the first three is missing.</returns>
    public static AzureIdentity? FromEnvironment(Func<string, string?> variable, TimeProvider time) =>
        variable("AZURE_FEDERATED_TOKEN_FILE") is { Length: > 0 } file && variable("AZURE_CLIENT_ID") is { Length: > 0 } client && variable("AZURE_TENANT_ID") is { Length: > 0 } tenant
            ? new AzureIdentity(new Uri(variable("AZURE_AUTHORITY_HOST") is { Length: > 0 } host ? host : "https://login.microsoftonline.com/"), tenant, client, file, time)
            : null;

    /// <exception cref="BlobStoreException">Entra gives none.</exception>
    public async ValueTask<string> TokenAsync(CancellationToken cancellationToken)
    {
        if (_until > time.GetUtcNow() + Margin) return _token;
        await _gate.WaitAsync(cancellationToken);
        try
        {
            if (_until <= time.GetUtcNow() + Margin) await RenewAsync(cancellationToken);
            return _token;
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or UnauthorizedAccessException or JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new BlobStoreException(exception);
        }
        finally
        {
            _gate.Release();
        }
    }

    public void Dispose()
    {
        _http.Dispose();
        _gate.Dispose();
    }

    private async Task RenewAsync(CancellationToken cancellationToken)
    {
        using var form = new FormUrlEncodedContent(
        [
            new("grant_type", "client_credentials"),
            new("client_id", client),
            new("scope", "https://storage.azure.com/.default"),
            new("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            new("client_assertion", (await File.ReadAllTextAsync(tokenFile, cancellationToken)).Trim()),
        ]);
        var now = time.GetUtcNow();
        using var response = await _http.PostAsync(new Uri(authority, $"{tenant}/oauth2/v2.0/token"), form, cancellationToken);
        if (!response.IsSuccessStatusCode) throw new HttpRequestException($"Entra answered {(int)response.StatusCode}");
        using var answer = JsonDocument.Parse(await response.Content.ReadAsByteArrayAsync(cancellationToken));
        _token = answer.RootElement.GetProperty("access_token").GetString() ?? throw new JsonException("no access_token");
        _until = now.AddSeconds(answer.RootElement.GetProperty("expires_in").GetInt64());
    }
}
