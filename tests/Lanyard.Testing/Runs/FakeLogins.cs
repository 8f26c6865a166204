using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Lanyard.Protocol.OAuth;
using Lanyard.Protocol.Runs;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Testing.Runs;

/// <summary>The token endpoints of a <see cref="FakeControlPlane"/>, which sign nothing, and its approval of hosts: they hand out what a test says, and remember who asked.</summary>
public sealed class FakeLogins
{
    /// <summary>Forms that came to the token endpoint.</summary>
    public ConcurrentQueue<Dictionary<string, string>> TokenRequests { get; } = new();

    /// <summary>Identity tokens that were given out.</summary>
    public ConcurrentQueue<string> Tokens { get; } = new();

    /// <summary>Audiences that the token endpoint refuses.</summary>
    public HashSet<string> RefusedAudiences { get; } = [];

    /// <summary>Requests of hosts to become runners, with their bearers.</summary>
    public ConcurrentQueue<(RunnerRegistration Registration, string Assertion)> Registrations { get; } = new();

    /// <summary>How many registrations are answered with pending before one is approved.</summary>
    public int PendingRegistrations { get; set; }

    /// <summary>Forms that came to the instance's own token endpoint.</summary>
    public ConcurrentQueue<Dictionary<string, string>> ClientAssertions { get; } = new();

    /// <summary>Seconds that an API token of the instance's token endpoint lives; 0: it refuses.</summary>
    public int ApiTokenSeconds { get; set; } = 600;

    /// <summary>Seconds that an identity token of a workspace's token endpoint lives.</summary>
    public int IdentityTokenSeconds { get; set; } = 600;

    internal async Task TokenAsync(HttpContext context)
    {
        var form = (await context.Request.ReadFormAsync()).ToDictionary(field => field.Key, field => field.Value.ToString());
        TokenRequests.Enqueue(form);
        if (RefusedAudiences.Contains(form["audience"]))
        {
            await FakeJson.AnswerAsync(context, new OAuthErrorResponse("invalid_target", "this audience is not allowed"), OAuthJson.Default.OAuthErrorResponse, 400);
            return;
        }

        var payload = Base64Url.EncodeToString(Encoding.UTF8.GetBytes($$"""{"aud":"{{form["audience"]}}","exp":1900000000}"""));
        var token = $"eyJhbGciOiJSUzI1NiJ9.{payload}.{Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(64))}";
        Tokens.Enqueue(token);
        await FakeJson.AnswerAsync(context, new TokenResponse(token, OAuthNames.TokenTypeIdToken, "N_A", IdentityTokenSeconds), OAuthJson.Default.TokenResponse);
    }

    internal async Task ApiTokenAsync(HttpContext context)
    {
        ClientAssertions.Enqueue((await context.Request.ReadFormAsync()).ToDictionary(field => field.Key, field => field.Value.ToString()));
        if (ApiTokenSeconds == 0)
        {
            await FakeJson.AnswerAsync(context, new OAuthErrorResponse("invalid_client", "no"), OAuthJson.Default.OAuthErrorResponse, 401);
            return;
        }

        await FakeJson.AnswerAsync(context, new TokenResponse($"api-token-{ClientAssertions.Count}", null, "Bearer", ApiTokenSeconds), OAuthJson.Default.TokenResponse);
    }

    internal async Task RegisterAsync(HttpContext context)
    {
        var registration = await FakeJson.ReadAsync(context, RunnerJson.Default.RunnerRegistration);
        Registrations.Enqueue((registration, context.Request.Headers.Authorization.ToString()["Bearer ".Length..]));
        var state = Registrations.Count > PendingRegistrations ? RegistrationStates.Approved : RegistrationStates.Pending;
        await FakeJson.AnswerAsync(context, new RunnerRegistrationAnswer("thumbprint", state), RunnerJson.Default.RunnerRegistrationAnswer);
    }
}
