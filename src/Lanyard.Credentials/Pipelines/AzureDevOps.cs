using System.Net;
using System.Net.Http.Headers;
using Lanyard.Credentials.Brokers;
using Lanyard.Identity.Federation;

namespace Lanyard.Credentials.Pipelines;

/// <summary>
/// A token of a job of Azure DevOps: <c>POST $SYSTEM_OIDCREQUESTURI?api-version=7.1&amp;serviceConnectionId=…</c> with <c>$SYSTEM_ACCESSTOKEN</c>. It stands for a service
/// connection, and its audience is always Entra's (<c>api://AzureADTokenExchange</c>).
/// </summary>
internal static class AzureDevOps
{
    public const string UrlVariable = "SYSTEM_OIDCREQUESTURI";

    /// <summary>As the tasks of Azure DevOps and Terraform's providers call it.</summary>
    public const string ConnectionVariable = "ARM_ADO_PIPELINE_SERVICE_CONNECTION_ID";

    private const string OtherConnectionVariable = "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID";
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(20);

    public static async Task<IdentityTokenAnswer> RequestAsync(Func<string, string?> environment)
    {
        var connection = environment(ConnectionVariable) is { Length: > 0 } named ? named : environment(OtherConnectionVariable);
        if (environment(UrlVariable) is not { Length: > 0 } url || environment("SYSTEM_ACCESSTOKEN") is not { Length: > 0 } bearer || string.IsNullOrEmpty(connection))
        {
            return Fail(ExitCodes.NoIdentity, $"{UrlVariable}, SYSTEM_ACCESSTOKEN (env: SYSTEM_ACCESSTOKEN: $(System.AccessToken)) and {ConnectionVariable} must be set");
        }

        if (!Uri.TryCreate($"{url}?api-version=7.1&serviceConnectionId={Uri.EscapeDataString(connection)}", UriKind.Absolute, out var uri)
            || !(uri.Scheme == Uri.UriSchemeHttps || (uri.Scheme == Uri.UriSchemeHttp && uri.IsLoopback)))
        {
            return Fail(ExitCodes.NoIdentity, $"{UrlVariable} is not an https URL, nor an http one of this machine's loopback");
        }

        try
        {
            using var handler = new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, UseProxy = !uri.IsLoopback };
            using var client = new HttpClient(handler) { Timeout = Timeout, MaxResponseContentBufferSize = 256 * 1024 };
            using var request = new HttpRequestMessage(HttpMethod.Post, uri) { Content = new StringContent("", System.Text.Encoding.UTF8, "application/json") };
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", bearer);
            using var response = await client.SendAsync(request);
            var body = await response.Content.ReadAsByteArrayAsync();
            return response.StatusCode != HttpStatusCode.OK ? Fail(ExitCodes.Refused, $"Azure DevOps refused with status {(int)response.StatusCode}")
                : Json.Text(body, "oidcToken") is { } token ? new IdentityTokenAnswer(token, null, ExitCodes.Done)
                : Fail(ExitCodes.Unreachable, "the answer of Azure DevOps holds no token");
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or OperationCanceledException or FormatException)
        {
            return Fail(ExitCodes.Unreachable, $"Azure DevOps at {uri.Host} could not be reached: {ConnectionFault.Words(exception, uri)}");
        }
    }

    private static IdentityTokenAnswer Fail(int exitCode, string error) => new(null, error, exitCode);
}
