using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Testing.Clouds;

/// <summary>
/// Google's STS and service-account credentials API: a workload identity provider whose mapping is <c>google.subject = assertion.sub</c>, at most
/// 127 bytes, and service accounts with the subjects that may act as them.
/// </summary>
public sealed class GoogleDouble : CloudDouble
{
    public const string Provider = "projects/123456789/locations/global/workloadIdentityPools/lanyard/providers/acme";
    private const int MaxSubject = 127;
    private readonly TokenJudge _judge;
    private readonly ConcurrentDictionary<string, string> _federated = new();
    private readonly ConcurrentDictionary<string, Func<string, bool>> _accounts = new();

    private GoogleDouble(string issuer)
        : base(tls: false) => _judge = new TokenJudge(issuer, ["RS256", "ES256"]);

    /// <summary>Service accounts that were acted as.</summary>
    public ConcurrentQueue<string> Impersonated { get; } = new();

    public string StsUrl => Url + "/v1/token";

    public static Task<GoogleDouble> StartAsync(string issuer) => StartedAsync(new GoogleDouble(issuer));

    public string AddServiceAccount(string name, Func<string, bool> subjects)
    {
        var email = $"{name}@project.iam.gserviceaccount.com";
        _accounts[email] = subjects;
        return email;
    }

    protected override Task AnswerAsync(HttpContext context) => context.Request.Path.Value switch
    {
        "/v1/token" => ExchangeAsync(context),
        { } path when path.StartsWith("/v1/projects/-/serviceAccounts/", StringComparison.Ordinal) && path.EndsWith(":generateAccessToken", StringComparison.Ordinal) =>
            ImpersonateAsync(context, path["/v1/projects/-/serviceAccounts/".Length..^":generateAccessToken".Length]),
        _ => WriteAsync(context, 404, "text/plain", "not found"),
    };

    private async Task ExchangeAsync(HttpContext context)
    {
        var form = await context.Request.ReadFormAsync();
        if (form["grant_type"] != "urn:ietf:params:oauth:grant-type:token-exchange" || form["subject_token_type"] != "urn:ietf:params:oauth:token-type:jwt")
        {
            await RefuseAsync(context, "invalid_request", "grant_type or subject_token_type");
            return;
        }

        if (form["audience"] != "//iam.googleapis.com/" + Provider)
        {
            await RefuseAsync(context, "invalid_target", "The target service indicated by the \"audience\" parameters is invalid.");
            return;
        }

        var judged = Note(await _judge.JudgeAsync(
            form["subject_token"].ToString(), ["https://iam.googleapis.com/" + Provider, "//iam.googleapis.com/" + Provider], static _ => true));
        if (judged.Mistake is not null || judged.Subject.Length > MaxSubject)
        {
            await RefuseAsync(context, "invalid_grant", judged.Mistake is null ? "The size of mapped attribute google.subject exceeds the 127 bytes limit." : judged.Text);
            return;
        }

        var token = "federated-" + Guid.NewGuid().ToString("N");
        _federated[token] = judged.Subject;
        await WriteAsync(context, 200, "application/json", new JsonObject
        {
            ["access_token"] = token,
            ["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token",
            ["token_type"] = "Bearer",
            ["expires_in"] = 3600,
        }.ToJsonString());
    }

    private async Task ImpersonateAsync(HttpContext context, string account)
    {
        using var body = await JsonDocument.ParseAsync(context.Request.Body);
        var bearer = context.Request.Headers.Authorization.ToString();
        if (!bearer.StartsWith("Bearer ", StringComparison.Ordinal) || !_federated.TryGetValue(bearer["Bearer ".Length..], out var subject)
            || !_accounts.TryGetValue(account, out var subjects) || !subjects(subject) || body.RootElement.GetProperty("scope").GetArrayLength() == 0)
        {
            Refused.Enqueue($"{account} by {bearer}");
            await WriteAsync(context, 403, "application/json", """{"error":{"code":403,"message":"Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).","status":"PERMISSION_DENIED"}}""");
            return;
        }

        Impersonated.Enqueue(account);
        var expires = TimeProvider.System.GetUtcNow().AddHours(1).UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", null);
        await WriteAsync(context, 200, "application/json", new JsonObject { ["accessToken"] = "ya29." + account, ["expireTime"] = expires }.ToJsonString());
    }

    private static Task RefuseAsync(HttpContext context, string error, string description) =>
        WriteAsync(context, 400, "application/json", new JsonObject { ["error"] = error, ["error_description"] = description }.ToJsonString());
}
