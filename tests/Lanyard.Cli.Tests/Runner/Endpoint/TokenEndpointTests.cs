using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Lanyard.Protocol.OAuth;
using Lanyard.Protocol.Runs;
using Lanyard.Testing;
using Lanyard.Testing.Processes;
using Lanyard.Testing.Runs;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Endpoint;

[Line("2.10")]
[Needs("bwrap")]
public sealed class TokenEndpointTests : IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(90);
    private readonly HttpClient _http = new();
    private FakeControlPlane _plane = null!;
    private RunnerUnderTest _runner = null!;

    public async ValueTask InitializeAsync()
    {
        _plane = await FakeControlPlane.StartAsync();
        _runner = new RunnerUnderTest(_plane);
    }

    public async ValueTask DisposeAsync()
    {
        await _runner.DisposeAsync();
        await _plane.DisposeAsync();
        _http.Dispose();
    }

    [Fact]
    public async Task A_live_attempts_bearer_gets_a_token_that_was_exchanged_for_its_runtime_token()
    {
        var (attempt, url, bearer) = await LiveAsync();

        var (status, body) = await GetAsync(url + "&audience=https%3A%2F%2Fsts.example", bearer);

        Assert.Equal(HttpStatusCode.OK, status);
        using var json = JsonDocument.Parse(body);
        Assert.Equal(_plane.Logins.Tokens.Single(), json.RootElement.GetProperty("value").GetString());
        var form = _plane.Logins.TokenRequests.Single();
        Assert.Equal(
            (OAuthNames.GrantTokenExchange, attempt.Payload.RuntimeToken, OAuthNames.TokenTypeAccessToken, OAuthNames.TokenTypeIdToken, "https://sts.example"),
            (form["grant_type"], form["subject_token"], form["subject_token_type"], form["requested_token_type"], form["audience"]));
    }

    [Fact]
    public async Task The_name_of_another_subject_template_is_passed_on_and_given_once_at_most()
    {
        var (_, url, bearer) = await LiveAsync();

        Assert.Equal(HttpStatusCode.OK, (await GetAsync(url + "&audience=aws&subject=coarse", bearer)).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await GetAsync(url + "&subject=a&subject=b", bearer)).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await GetAsync(url + "&subject=", bearer)).Status);

        Assert.Equal("coarse", _plane.Logins.TokenRequests.Single()["subject"]);
    }

    [Fact]
    public async Task Without_an_audience_the_workspaces_default_is_asked_for()
    {
        var (attempt, url, bearer) = await LiveAsync();

        Assert.Equal(HttpStatusCode.OK, (await GetAsync(url, bearer)).Status);

        Assert.Equal(attempt.Payload.DefaultAudience, _plane.Logins.TokenRequests.Single()["audience"]);
    }

    [Fact]
    public async Task Only_the_attempts_own_bearer_opens_its_url_and_all_wrong_ones_get_the_same_answer()
    {
        var (_, url, bearer) = await LiveAsync();
        var (_, otherUrl, otherBearer) = await LiveAsync();

        var refused = new[]
        {
            await GetAsync(url, otherBearer), await GetAsync(otherUrl, bearer), await GetAsync(url, null), await GetAsync(url, ""), await GetAsync(url, bearer[..^1]),
            await GetAsync(url, bearer + "A"), await GetAsync(url.Replace("attempt=1", "attempt=2", StringComparison.Ordinal), bearer),
            await GetAsync(url.Replace("run_", "run_x", StringComparison.Ordinal), bearer), await GetAsync(url + "&attempt=1", bearer),
            await GetAsync(url[..url.IndexOf('?', StringComparison.Ordinal)], bearer), await GetAsync(url, "the-runners-own-token"),
        };

        Assert.All(refused, answer => Assert.Equal((HttpStatusCode.Unauthorized, refused[0].Body), answer));
        Assert.Empty(_plane.Logins.TokenRequests);
        Assert.True(bearer.Length >= 43 && bearer != otherBearer);
    }

    [Fact]
    public async Task The_bearer_of_an_attempt_that_is_over_is_refused()
    {
        var (attempt, url, bearer) = await LiveAsync();
        Assert.Equal(HttpStatusCode.OK, (await GetAsync(url, bearer)).Status);

        _plane.Tell(attempt, HoldAnswers.Cancel);
        await attempt.Ended.WaitAsync(Deadline);

        Assert.Equal(HttpStatusCode.Unauthorized, (await GetAsync(url, bearer)).Status);
        Assert.Single(_plane.Logins.TokenRequests);
    }

    [Fact]
    public async Task A_refused_audience_is_told_and_costs_nothing_else()
    {
        _plane.Logins.RefusedAudiences.Add("forbidden");
        var (_, url, bearer) = await LiveAsync();

        var (status, body) = await GetAsync(url + "&audience=forbidden", bearer);

        Assert.Equal(HttpStatusCode.Forbidden, status);
        Assert.Contains("this audience is not allowed", body, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await GetAsync(url + "&audience=fine", bearer)).Status);
    }

    [Fact]
    public async Task Bad_audiences_other_paths_and_a_flood_are_refused()
    {
        var (_, url, bearer) = await LiveAsync();

        Assert.Equal(HttpStatusCode.BadRequest, (await GetAsync(url + "&audience=", bearer)).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await GetAsync(url + "&audience=a&audience=b", bearer)).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await GetAsync(url + "&audience=" + new string('a', 1025), bearer)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await GetAsync(url.Replace("/token", "/", StringComparison.Ordinal), bearer)).Status);
        var flood = await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => GetAsync(url, bearer)));
        Assert.Contains(flood, answer => answer.Status == HttpStatusCode.TooManyRequests);
    }

    [Fact]
    public async Task An_issuer_that_is_away_is_a_503_which_clients_repeat()
    {
        var (_, url, bearer) = await LiveAsync();
        _plane.FaultOf = name => name == "token" ? Fault.LoseCall : Fault.None;

        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await GetAsync(url, bearer)).Status);
    }

    [Fact]
    public async Task Oidc_true_puts_a_token_for_the_default_audience_into_the_steps_environment_that_lives_as_long_as_the_step_may()
    {
        var attempt = _plane.Enqueue(Payloads.Of(
            Payloads.Script("echo \"length ${#LANYARD_OIDC_TOKEN}\"; echo \"$LANYARD_OIDC_TOKEN_2\" | cut -c1-3", timeoutSeconds: 1800, oidc: []),
            Payloads.Script("echo \"second ${#LANYARD_OIDC_TOKEN} ${#LANYARD_OIDC_TOKEN_2}\"", timeoutSeconds: 7200, oidc: ["a", "b"]),
            Payloads.Script("echo \"third [$LANYARD_OIDC_TOKEN]\"", environment: ("LANYARD_OIDC_TOKEN", "forged"))));
        await attempt.Ended.WaitAsync(Deadline);

        Assert.Equal(
            [(attempt.Payload.DefaultAudience, "1800"), ("a", "3600"), ("b", "3600")],
            _plane.Logins.TokenRequests.Select(form => (form["audience"], form["expires_in"])));
        var lengths = _plane.Logins.Tokens.Select(token => token.Length).ToList();
        Assert.Contains($"length {lengths[0]}", attempt.Log, StringComparison.Ordinal);
        Assert.Contains($"second {lengths[1]} {lengths[2]}", attempt.Log, StringComparison.Ordinal);
        Assert.Contains("third []", attempt.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_step_whose_token_is_refused_does_not_begin()
    {
        _plane.Logins.RefusedAudiences.Add("forbidden");
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script("echo never", oidc: ["forbidden"])));

        var end = await attempt.Ended.WaitAsync(Deadline);

        Assert.Equal(RunStates.Failed, end.Outcome);
        Assert.Contains("no identity token for the audience forbidden", end.Reason, StringComparison.Ordinal);
        Assert.DoesNotContain("never", attempt.Log, StringComparison.Ordinal);
    }

    [Fact]
    [Needs("npm")]
    public async Task GetIDToken_of_actions_core_works_unchanged()
    {
        var (_, url, bearer) = await LiveAsync();
        var environment = new Dictionary<string, string?> { ["ACTIONS_ID_TOKEN_REQUEST_URL"] = url, ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = bearer };

        var result = await NodeScript.RunAsync(
            """
            import * as core from '@actions/core';
            core.getIDToken('sts.example/a&b').then(token => console.log('token ' + token), error => { console.error(error); process.exit(1); });
            """,
            environment: environment);

        Assert.Contains("token " + _plane.Logins.Tokens.Single(), result.Succeeded(), StringComparison.Ordinal);
        Assert.Equal("sts.example/a&b", _plane.Logins.TokenRequests.Single()["audience"]);
    }

    private async Task<(FakeAttempt Attempt, string Url, string Bearer)> LiveAsync()
    {
        // The bearer is masked in the log, so it is handed out through the attempt's folder, which this test, as the host's root, can read.
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script(
            "printf '%s\\n' \"$ACTIONS_ID_TOKEN_REQUEST_URL\" \"$ACTIONS_ID_TOKEN_REQUEST_TOKEN\" > said; echo up; sleep 300")) with { GraceSeconds = 0 });
        await attempt.LogSaysAsync("up");
        var said = await File.ReadAllLinesAsync(Path.Combine(_runner.Settings.WorkFolder, "attempts", $"{attempt.Payload.Run}.1", "work", "said"));
        return (attempt, said[0], said[1]);
    }

    private async Task<(HttpStatusCode Status, string Body)> GetAsync(string url, string? bearer)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, url);
        request.Headers.Authorization = bearer is null ? null : new AuthenticationHeaderValue("Bearer", bearer);
        using var response = await _http.SendAsync(request);
        return (response.StatusCode, await response.Content.ReadAsStringAsync());
    }
}
