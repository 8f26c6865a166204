using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Server.Storage;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Federation;

/// <summary>
/// A cluster that nobody can reach is asked about its tokens through the connection of its own runner, played here by <see cref="AnswerAsync"/>: two servers on one
/// PostgreSQL, where the token comes to one and the runner is connected to the other.
/// </summary>
[Needs("postgres")]
[Line("6.4")]
public sealed class TokenReviewTests : IAsyncLifetime
{
    private const string Collections = "/v1/workspaces/acme/collections";
    private const string Pusher = "system:serviceaccount:lanyard:pusher";
    private const string Workload = "system:serviceaccount:ci:deployer";

    private TestDatabase _database = null!;
    private DoorServer _first = null!;
    private DoorServer _second = null!;
    private TestIssuer _cluster = null!;

    public async ValueTask InitializeAsync()
    {
        _database = await TestDatabase.CreateAsync(DatabaseKind.Postgres, migrate: false);
        _cluster = await TestIssuer.StartAsync();
        _first = await DoorServer.StartAsync(database: _database.Location);
        _second = await DoorServer.StartAsync(database: _database.Location, beside: _first);
        await _first.PutAsync("/v1/workspaces/acme", "{}");
        await TrustAsync("lab", review: true);
    }

    public async ValueTask DisposeAsync()
    {
        if (_second is not null) await _second.DisposeAsync();
        if (_first is not null) await _first.DisposeAsync();
        if (_cluster is not null) await _cluster.DisposeAsync();
        await _database.DisposeAsync();
    }

    [Fact]
    public async Task The_API_server_has_the_last_word_wherever_the_token_and_the_runner_come_in()
    {
        var good = _cluster.Mint(_first.Url, Workload);
        var asked = _first.GetAsync(Collections, good);
        Assert.Equal(good, await AnswerAsync(_second, id => Yes(id, Workload)));
        Assert.Equal(HttpStatusCode.OK, (await asked).Status);
        // For some seconds the answer holds, and nobody is asked.
        Assert.Equal(HttpStatusCode.OK, (await _first.GetAsync(Collections, good)).Status);

        foreach (var (answer, said) in ((Func<string, JsonObject>, string)[])
            [
                (static id => new JsonObject { ["id"] = id, ["authenticated"] = false }, "no longer takes the token"),
                (id => Yes(id, "system:serviceaccount:ci:somebody"), "and not " + Workload),
                (static id => new JsonObject { ["id"] = id, ["authenticated"] = true, ["username"] = Workload, ["audiences"] = new JsonArray("https://elsewhere.example") }, "for any of its audiences"),
            ])
        {
            var token = _cluster.Mint(_first.Url, Workload);
            asked = _first.GetAsync(Collections, token);
            Assert.Equal(token, await AnswerAsync(_second, answer));
            Assert.Equal(HttpStatusCode.Unauthorized, (await asked).Status);
            Assert.Contains(await _first.AuditAsync("bearer"), line => line.Contains(said, StringComparison.Ordinal) && line.Contains("liveness", StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task An_API_server_that_can_not_be_asked_takes_nobody_and_no_token_stays_in_the_database()
    {
        var asked = _first.GetAsync(Collections, _cluster.Mint(_first.Url, Workload));
        await AnswerAsync(_first, static id => new JsonObject { ["id"] = id, ["authenticated"] = true, ["username"] = Workload, ["error"] = "connection refused" });
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await asked).Status);

        // A failure is not kept: the next try is asked anew.
        var token = _cluster.Mint(_first.Url, Workload);
        for (var i = 0; i < 2; i++)
        {
            asked = _first.GetAsync(Collections, token);
            Assert.Equal(token, await AnswerAsync(_first, id => i == 0 ? new JsonObject { ["id"] = id, ["authenticated"] = false, ["error"] = "timeout" } : Yes(id, Workload)));
            Assert.Equal(i == 0 ? HttpStatusCode.ServiceUnavailable : HttpStatusCode.OK, (await asked).Status);
        }

        await Eventually.HoldsAsync(
            async () => (await _first.Database.QueryAsync($"select token from token_reviews", static row => row.GetString(0))).Count == 0, "the rows go with their answers");
    }

    [Fact]
    public async Task While_it_waits_in_the_database_the_token_can_not_be_read_there()
    {
        var token = _cluster.Mint(_first.Url, Workload);
        var asked = _first.GetAsync(Collections, token);
        List<string> rows = [];
        await Eventually.HoldsAsync(async () => (rows = await _first.Database.QueryAsync($"select token from token_reviews", static row => row.GetString(0))).Count == 1, "it waits");

        Assert.DoesNotContain(token[..20], rows[0], StringComparison.Ordinal);
        Assert.DoesNotContain(token[..20], System.Text.Encoding.Latin1.GetString(Convert.FromBase64String(rows[0])), StringComparison.Ordinal);
        await AnswerAsync(_first, id => Yes(id, Workload));
        Assert.Equal(HttpStatusCode.OK, (await asked).Status);
    }

    [Fact]
    public async Task Who_is_not_the_pusher_of_that_cluster_sees_no_token_and_answers_for_none()
    {
        await using var other = await TestIssuer.StartAsync();
        await TrustAsync("other", review: true, other);
        await TrustAsync("silent", review: false, other);
        var asked = _first.GetAsync(Collections, _cluster.Mint(_first.Url, Workload));
        string id = "";
        await Eventually.HoldsAsync(async () => (id = (await _first.Database.QueryAsync($"select id from token_reviews", static row => row.GetString(0))).SingleOrDefault() ?? "").Length > 0, "it waits");

        Assert.Empty((await PollAsync(_first, other.Mint(_first.Url + "/keys", Pusher), 0, Yes(id, Workload))).AsArray());
        foreach (var bearer in (string[])
            [
                "", "a.b.c", _cluster.Mint(_first.Url, Pusher), _cluster.Mint(_first.Url + "/keys", Workload),
                _cluster.Mint(_first.Url + "/keys", Pusher, static claims => claims["exp"] = claims["iat"]!.GetValue<long>() - 100),
            ])
        {
            var (status, json) = await _first.SendAsync(HttpMethod.Post, "/keys/reviews", Body(0, Yes(id, Workload)), bearer);
            Assert.True(status is HttpStatusCode.Unauthorized or HttpStatusCode.BadRequest, $"{status} {json}");
        }

        Assert.False(asked.IsCompleted);
        await AnswerAsync(_first, review => Yes(review, Workload));
        Assert.Equal(HttpStatusCode.OK, (await asked).Status);
    }

    [Fact]
    public async Task A_token_that_is_not_good_by_itself_is_never_asked_about()
    {
        await using var stranger = await TestIssuer.StartAsync();
        foreach (var token in (string[])
            [stranger.Mint(_first.Url, Workload), _cluster.Mint("https://elsewhere.example", Workload), _cluster.Mint(_first.Url, Workload)[..^8] + "AAAAAAAA"])
            Assert.Equal(HttpStatusCode.Unauthorized, (await _first.GetAsync(Collections, token)).Status);

        Assert.Empty((await PollAsync(_first, _cluster.Mint(_first.Url + "/keys", Pusher), 0)).AsArray());
    }

    [Fact]
    public async Task With_nobody_to_ask_the_token_is_refused_after_a_while_and_one_alarm_is_raised()
    {
        foreach (var token in (string[])[_cluster.Mint(_first.Url, Workload), _cluster.Mint(_first.Url, Workload)])
            Assert.Equal(HttpStatusCode.ServiceUnavailable, (await _first.GetAsync(Collections, token)).Status);

        Assert.Contains("\"alarm\":\"true\"", Assert.Single(await _first.AuditAsync("reviews.unanswered")), StringComparison.Ordinal);
    }

    private static JsonObject Yes(string id, string subject) =>
        new() { ["id"] = id, ["authenticated"] = true, ["username"] = subject, ["audiences"] = new JsonArray("PLACE") };

    /// <summary>Waits for one question at a server, as the cluster's runner does, and answers it.</summary>
    /// <returns>The token that was asked about.</returns>
    private async Task<string> AnswerAsync(DoorServer server, Func<string, JsonObject> answer)
    {
        var bearer = _cluster.Mint(_first.Url + "/keys", Pusher);
        var question = Assert.Single((await PollAsync(server, bearer, 20)).AsArray())!;
        var said = answer(question["id"]!.GetValue<string>());
        if (said["audiences"] is JsonArray audiences && audiences[0]!.GetValue<string>() == "PLACE") said["audiences"] = question["audiences"]!.DeepClone();
        await PollAsync(server, bearer, 0, said);
        return question["token"]!.GetValue<string>();
    }

    private static async Task<JsonNode> PollAsync(DoorServer server, string bearer, int wait, params JsonObject[] answers)
    {
        var (status, json) = await server.SendAsync(HttpMethod.Post, "/keys/reviews", Body(wait, answers), bearer);
        Assert.True(status == HttpStatusCode.OK, json.ToJsonString());
        return json["reviews"]!;
    }

    private static string Body(int wait, params JsonObject[] answers) =>
        new JsonObject { ["waitSeconds"] = wait, ["answers"] = new JsonArray([.. answers.Select(static answer => answer.DeepClone())]) }.ToJsonString();

    private async Task TrustAsync(string slug, bool review, TestIssuer? cluster = null)
    {
        cluster ??= _cluster;
        var pushed = new JsonObject { ["jwks"] = JsonNode.Parse(cluster.Jwks), ["subject"] = Pusher, ["review"] = review };
        await _first.PutAsync($"/v1/workspaces/acme/trusted-issuers/{slug}", new JsonObject { ["issuer"] = cluster.Issuer, ["keys"] = new JsonObject { ["pushed"] = pushed } }.ToJsonString());
        await _first.PutAsync($"/v1/workspaces/acme/trust-policies/{slug}", $$$"""{"issuer":"{{{slug}}}","claims":{"sub":"{{{Workload}}}"},"allow":{"roles":["viewer"]} }""");
    }
}
