using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Testing.Clouds;

/// <summary>
/// Vault and OpenBao: one namespace with the JWT auth method at one mount, roles with a bound audience and bound subjects, and one secret that the policy of each role may read. It checks and
/// refuses in the words of the original's plugin.
/// </summary>
public sealed class VaultDouble : CloudDouble
{
    public const string Namespace = "team";
    public const string Mount = "lanyard";
    public const string SecretPath = "secret/data/app";
    private readonly TokenJudge _judge;
    private readonly ConcurrentDictionary<string, Func<string, bool>> _roles = new();
    private readonly ConcurrentDictionary<string, string> _tokens = new();

    private VaultDouble(string issuer)
        : base(tls: false) => _judge = new TokenJudge(issuer, ["RS256", "ES256"]);

    /// <summary>Roles by which the secret was read, in order.</summary>
    public ConcurrentQueue<string> Readers { get; } = new();

    public static Task<VaultDouble> StartAsync(string issuer) => StartedAsync(new VaultDouble(issuer));

    public void AddRole(string name, Func<string, bool> boundSubject) => _roles[name] = boundSubject;

    protected override Task AnswerAsync(HttpContext context) => context.Request.Headers["X-Vault-Namespace"] != Namespace
        ? RefuseAsync(context, 404, "no handler for route. route entry not found.")
        : (context.Request.Method, context.Request.Path.Value) switch
        {
            ("POST" or "PUT", $"/v1/auth/{Mount}/login") => LogInAsync(context),
            ("GET", $"/v1/{SecretPath}") => ReadAsync(context),
            _ => RefuseAsync(context, 403, "permission denied"),
        };

    private async Task LogInAsync(HttpContext context)
    {
        using var body = await JsonDocument.ParseAsync(context.Request.Body);
        var role = body.RootElement.TryGetProperty("role", out var named) ? named.GetString() ?? "" : "";
        if (!body.RootElement.TryGetProperty("jwt", out var jwt) || jwt.GetString() is not { Length: > 0 } token)
        {
            await RefuseAsync(context, 400, "missing token");
            return;
        }

        if (!_roles.TryGetValue(role, out var subjects))
        {
            await RefuseAsync(context, 400, $"role \"{role}\" could not be found");
            return;
        }

        var judged = Note(await _judge.JudgeAsync(token, [Url], subjects));
        await (judged.Mistake switch
        {
            null => GiveAsync(context, role),
            TokenMistake.Subject => RefuseAsync(context, 400, "error validating token: invalid subject (sub) claim"),
            TokenMistake.Audience => RefuseAsync(context, 400, "error validating token: invalid audience (aud) claim: audience claim does not match any bound audience"),
            TokenMistake.Issuer => RefuseAsync(context, 400, "error validating token: invalid issuer (iss) claim"),
            TokenMistake.Time => RefuseAsync(context, 400, "error validating token: invalid expiration time (exp) claim: token is expired"),
            _ => RefuseAsync(context, 400, "error validating token: error verifying token signature: no known key successfully validated the token signature"),
        });
    }

    private Task GiveAsync(HttpContext context, string role)
    {
        var token = "hvs." + Guid.NewGuid().ToString("N");
        _tokens[token] = role;
        return WriteAsync(context, 200, "application/json", new JsonObject
        {
            ["request_id"] = Guid.NewGuid().ToString(),
            ["lease_id"] = "",
            ["renewable"] = false,
            ["lease_duration"] = 0,
            ["data"] = null,
            ["auth"] = new JsonObject
            {
                ["client_token"] = token,
                ["accessor"] = Guid.NewGuid().ToString("N"),
                ["policies"] = new JsonArray("default", role),
                ["token_policies"] = new JsonArray("default", role),
                ["metadata"] = new JsonObject { ["role"] = role },
                ["lease_duration"] = 900,
                ["renewable"] = true,
                ["token_type"] = "service",
            },
        }.ToJsonString());
    }

    private Task ReadAsync(HttpContext context)
    {
        if (!_tokens.TryGetValue(context.Request.Headers["X-Vault-Token"].ToString(), out var role))
        {
            return RefuseAsync(context, 403, "permission denied");
        }

        Readers.Enqueue(role);
        return WriteAsync(context, 200, "application/json", new JsonObject
        {
            ["request_id"] = Guid.NewGuid().ToString(),
            ["data"] = new JsonObject { ["data"] = new JsonObject { ["password"] = "for-" + role }, ["metadata"] = new JsonObject { ["version"] = 1 } },
        }.ToJsonString());
    }

    private static Task RefuseAsync(HttpContext context, int status, string error) =>
        WriteAsync(context, status, "application/json", new JsonObject { ["errors"] = new JsonArray(error) }.ToJsonString());
}
