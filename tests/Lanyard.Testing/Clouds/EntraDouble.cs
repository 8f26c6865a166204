using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Testing.Clouds;

/// <summary>
/// Microsoft Entra ID: one tenant, one application, federated identity credentials that match exactly, RS256 alone, one audience. Over TLS,
/// because its clients take nothing else.
/// </summary>
public sealed class EntraDouble : CloudDouble
{
    public const string Tenant = "11111111-2222-3333-4444-555555555555";
    public const string Client = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
    private readonly TokenJudge _judge;

    private EntraDouble(string issuer)
        : base(tls: true) => _judge = new TokenJudge(issuer, ["RS256"]);

    /// <summary>Subjects of the application's federated identity credentials.</summary>
    public HashSet<string> Subjects { get; } = new(StringComparer.Ordinal);

    public static Task<EntraDouble> StartAsync(string issuer) => StartedAsync(new EntraDouble(issuer));

    protected override async Task AnswerAsync(HttpContext context)
    {
        if (context.Request.Path.Value!.EndsWith("/.well-known/openid-configuration", StringComparison.Ordinal))
        {
            await WriteAsync(context, 200, "application/json", new JsonObject
            {
                ["issuer"] = $"{Url}/{Tenant}/v2.0",
                ["authorization_endpoint"] = $"{Url}/{Tenant}/oauth2/v2.0/authorize",
                ["token_endpoint"] = $"{Url}/{Tenant}/oauth2/v2.0/token",
                ["jwks_uri"] = $"{Url}/{Tenant}/discovery/v2.0/keys",
            }.ToJsonString());
            return;
        }

        if (context.Request.Path != $"/{Tenant}/oauth2/v2.0/token")
        {
            await RefuseAsync(context, 90002, "Tenant not found.");
            return;
        }

        var form = await context.Request.ReadFormAsync();
        if (form["client_id"] != Client || form["grant_type"] != "client_credentials"
            || form["client_assertion_type"] != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
        {
            await RefuseAsync(context, 700016, "Application was not found in the directory.");
            return;
        }

        var judged = Note(await _judge.JudgeAsync(form["client_assertion"].ToString(), ["api://AzureADTokenExchange"], Subjects.Contains));
        await (judged.Mistake switch
        {
            null => WriteAsync(context, 200, "application/json", new JsonObject
            {
                ["token_type"] = "Bearer", ["expires_in"] = 3599, ["ext_expires_in"] = 3599, ["access_token"] = "entra-" + Guid.NewGuid().ToString("N"),
            }.ToJsonString()),
            TokenMistake.Issuer => RefuseAsync(context, 700211, "No matching federated identity record found for presented assertion issuer."),
            TokenMistake.Audience => RefuseAsync(context, 700212, "No matching federated identity record found for presented assertion audience."),
            TokenMistake.Subject => RefuseAsync(context, 700213, $"No matching federated identity record found for presented assertion subject '{judged.Text}'."),
            TokenMistake.Time => RefuseAsync(context, 700024, "Client assertion is not within its valid time range."),
            _ => RefuseAsync(context, 50027, "JWT token is invalid or malformed."),
        });
    }

    private static Task RefuseAsync(HttpContext context, int code, string text) => WriteAsync(context, 401, "application/json", new JsonObject
    {
        ["error"] = "invalid_client",
        ["error_description"] = $"AADSTS{code}: {text}",
        ["error_codes"] = new JsonArray(code),
        ["timestamp"] = TimeProvider.System.GetUtcNow().ToString("yyyy-MM-dd HH:mm:ss'Z'", null),
    }.ToJsonString());
}
