using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Identity.Tokens;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Lanyard.Testing.Logins;

/// <summary>
/// Entra's token endpoint, Vault's JWT login and Google's STS on loopback, as strict as the originals where a client can go wrong: each verifies the token against the issuer's
/// keys, its own audience and the one subject.
/// </summary>
public sealed class LoginDouble : IAsyncDisposable
{
    public const string Tenant = "11111111-2222-4333-8444-555555555555";
    public const string Client = "99999999-2222-4333-8444-555555555555";
    public const string GoogleAudience = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/prov";
    private readonly WebApplication _app;
    private readonly TestIssuer _issuer;
    private readonly string _subject;

    private LoginDouble(WebApplication app, TestIssuer issuer, string subject)
    {
        (_app, _issuer, _subject) = (app, issuer, subject);
        app.Run(AnswerAsync);
    }

    public string Url { get; private set; } = "";

    public int Logins { get; private set; }

    public static async Task<LoginDouble> StartAsync(TestIssuer issuer, string subject)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(static kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        builder.Services.AddLogging(static logging => logging.ClearProviders());
        var login = new LoginDouble(builder.Build(), issuer, subject);
        await login._app.StartAsync();
        login.Url = ((IApplicationBuilder)login._app).ServerFeatures.Get<IServerAddressesFeature>()!.Addresses.Single();
        return login;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task AnswerAsync(HttpContext context)
    {
        var (status, body) = context.Request.Path.Value switch
        {
            $"/{Tenant}/oauth2/v2.0/token" => Entra(await context.Request.ReadFormAsync()),
            "/v1/auth/jwt/login" => Vault(context.Request, JsonNode.Parse(await new StreamReader(context.Request.Body).ReadToEndAsync())!),
            "/v1/token" => Google(await context.Request.ReadFormAsync()),
            _ => (404, """{"error":"not_found"}"""),
        };
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(body);
    }

    private (int, string) Entra(IFormCollection form) =>
        form["grant_type"] != "client_credentials" || form["client_assertion_type"] != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || form["scope"].ToString().Length == 0
            ? (400, """{"error":"invalid_request","error_description":"AADSTS900144"}""")
            : form["client_id"] != Client ? (400, """{"error":"unauthorized_client","error_description":"AADSTS700016: no such application"}""")
            : !IsGood(form["client_assertion"].ToString(), "api://AzureADTokenExchange") ? (401, """{"error":"invalid_client","error_description":"AADSTS70021: No matching federated identity record found"}""")
            : (200, """{"token_type":"Bearer","expires_in":3599,"access_token":"entra-access-token"}""");

    private (int, string) Vault(HttpRequest request, JsonNode body) =>
        request.Headers["X-Vault-Request"] != "true" || (string?)body["role"] != "deploy" || !IsGood((string?)body["jwt"] ?? "", Url)
            ? (400, """{"errors":["error validating token: invalid audience (aud) claim"]}""")
            : (200, """{"auth":{"client_token":"hvs.vault-token","lease_duration":3600,"renewable":true,"policies":["default"]}}""");

    private (int, string) Google(IFormCollection form) =>
        form["grant_type"] == "urn:ietf:params:oauth:grant-type:token-exchange" && form["audience"] == GoogleAudience && IsGood(form["subject_token"].ToString(), GoogleAudience)
            ? (200, """{"access_token":"google-access-token","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":3600}""")
            : (400, """{"error":"invalid_grant","error_description":"the subject token is not good"}""");

    private bool IsGood(string token, string audience)
    {
        Logins++;
        var parsed = UnverifiedToken.Parse(token);
        return !parsed.IsRefused
            && new TokenVerifier(TimeProvider.System).Verify(parsed.Value, _issuer.Record(), _issuer.Keys, new VerifyOptions { DefaultAudience = audience }).TryGet(out var verified, out _)
            && verified.Subject == _subject;
    }
}
