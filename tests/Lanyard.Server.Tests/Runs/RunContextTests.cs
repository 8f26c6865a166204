using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Lanyard.Server.Http;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

/// <summary>Nobody's word is taken for what becomes part of a run's identity.</summary>
[Line("2.9")]
[Line("2.10")]
public sealed class RunContextTests : IAsyncLifetime
{
    private const string Acme = """{"definition":"build","repository":"acme/app"}""";
    private RunsServer _runs = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _runs = await RunsServer.StartAsync();

    public async ValueTask DisposeAsync()
    {
        if (_runs is not null) await _runs.DisposeAsync();
    }

    [Fact]
    public async Task An_operator_without_a_mapped_token_can_state_nothing_and_the_refusal_is_fixed_and_audited()
    {
        await BeAsync(Role.Operator);
        foreach (var member in (string[])["repository", "ref", "environment"])
        {
            var answer = await PostAsync($$"""{"definition":"build","{{member}}":"acme-secret"}""");
            Assert.Equal(HttpStatusCode.Forbidden, answer.Status);
            Assert.Contains("token does not say this repository, ref or environment.", answer.Body, StringComparison.Ordinal);
            Assert.DoesNotContain("acme-secret", answer.Body, StringComparison.Ordinal);
        }

        Assert.Equal(0, await CountAsync());
        var refused = await _runs.Server.Database.QueryAsync(
            $"select decision from audit_events where action = {"run.create"}", static row => row.GetString(0), Cancel);
        Assert.Equal(3, refused.Count(d => d == "refused"));
        Assert.Equal(HttpStatusCode.Created, (await PostAsync("""{"definition":"build"}""")).Status);
    }

    [Fact]
    public async Task A_mapped_fact_is_taken_from_the_token_and_another_can_not_be_asked_for_even_by_an_admin()
    {
        foreach (var role in (Role[])[Role.Operator, Role.Admin])
        {
            await BeAsync(role, ("repository", "acme/app"), ("ref", "refs/heads/main"), ("environment", null));
            var run = await _runs.RunAsync(await MadeAsync("""{"definition":"build"}"""));
            var context = run.GetProperty("context");
            Assert.Equal(("acme/app", "refs/heads/main", "token"), (Text("repository"), Text("ref"), Text("source")));
            Assert.False(context.TryGetProperty("environment", out _));
            Assert.Equal(HttpStatusCode.Created, (await PostAsync(Acme)).Status);
            Assert.Equal(HttpStatusCode.Forbidden, (await PostAsync("""{"definition":"build","repository":"acme/App"}""")).Status);
            Assert.Equal(HttpStatusCode.Forbidden, (await PostAsync("""{"definition":"build","repository":"acme/app","ref":"refs/heads/other"}""")).Status);
            // Mapped, and the token does not say it: nobody may add it.
            Assert.Equal(HttpStatusCode.Forbidden, (await PostAsync("""{"definition":"build","environment":"prod"}""")).Status);

            string? Text(string name) => context.GetProperty(name).GetString();
        }
    }

    [Fact]
    public async Task A_fact_of_a_policy_for_another_collection_says_nothing_here()
    {
        var collection = await IdAsync("collections", "two");
        var workspace = await IdAsync("workspaces", "demo");
        Be(Role.Operator, new VerifiedFact(new Scope(workspace, collection), "pol_1@1", "repository", "acme/app"));
        Assert.Equal(HttpStatusCode.Forbidden, (await PostAsync(Acme)).Status);
        var run = await _runs.RunAsync(await MadeAsync("""{"definition":"build"}"""));
        Assert.False(run.GetProperty("context").TryGetProperty("repository", out _));
    }

    [Fact]
    public async Task Two_policies_that_disagree_are_a_refusal_and_two_that_agree_are_none()
    {
        await BeAsync(Role.Operator, ("repository", "acme/app"), ("repository", "acme/app"));
        Assert.Equal(HttpStatusCode.Created, (await PostAsync("""{"definition":"build"}""")).Status);
        await BeAsync(Role.Operator, ("repository", "acme/app"), ("repository", "acme/web"));
        Assert.Equal(HttpStatusCode.Forbidden, (await PostAsync("""{"definition":"build"}""")).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await PostAsync(Acme)).Status);
        await BeAsync(Role.Operator, ("repository", "acme/app"), ("repository", null));
        Assert.Equal(HttpStatusCode.Forbidden, (await PostAsync(Acme)).Status);
    }

    [Fact]
    public async Task An_admin_may_state_facts_that_nobody_maps_and_the_run_says_that_they_were_stated()
    {
        await BeAsync(Role.Admin);
        var context = (await _runs.RunAsync(await MadeAsync(Acme))).GetProperty("context");
        Assert.Equal(("acme/app", "stated", "caller"), (context.GetProperty("repository").GetString(), context.GetProperty("source").GetString(), context.GetProperty("actor").GetString()));
        await BeAsync(Role.Admin, ("ref", "refs/heads/main"));
        context = (await _runs.RunAsync(await MadeAsync(Acme))).GetProperty("context");
        Assert.Equal("stated", context.GetProperty("source").GetString());
    }

    [Fact]
    public async Task An_actor_can_not_be_given()
    {
        await BeAsync(Role.Admin);
        Assert.Equal(HttpStatusCode.BadRequest, (await PostAsync("""{"definition":"build","actor":"boss"}""")).Status);
        Assert.Equal(0, await CountAsync());
    }

    [Fact]
    public async Task The_same_idempotency_key_for_another_ref_is_a_conflict_and_never_the_older_run()
    {
        await BeAsync(Role.Operator, ("ref", "refs/heads/one"));
        Assert.Equal(HttpStatusCode.Created, (await PostAsync("""{"definition":"build"}""", "key")).Status);
        Assert.Equal(HttpStatusCode.OK, (await PostAsync("""{"definition":"build"}""", "key")).Status);
        await BeAsync(Role.Operator, ("ref", "refs/heads/two"));
        Assert.Equal(HttpStatusCode.Conflict, (await PostAsync("""{"definition":"build"}""", "key")).Status);
    }

    private async Task BeAsync(Role role, params (string Name, string? Value)[] facts)
    {
        var scope = new Scope(await IdAsync("workspaces", "demo"), null);
        Be(role, [.. facts.Select((f, i) => new VerifiedFact(scope, $"pol_{i}@1", f.Name, f.Value))]);
    }

    private void Be(Role role, params VerifiedFact[] facts) =>
        _runs.Server.Be(_runs.Server.Be("caller", new RoleBinding(Scope.Instance, role)) with { Context = facts });

    private async Task<string> IdAsync(string table, string slug) => table == "workspaces"
        ? (await _runs.Server.Database.QueryAsync($"select id from workspaces where slug = {slug}", static row => row.GetString(0), Cancel))[0]
        : (await _runs.Server.Database.QueryAsync($"select id from collections where slug = {slug}", static row => row.GetString(0), Cancel))[0];

    private async Task<long> CountAsync() =>
        (await _runs.Server.Database.QueryAsync($"select count(*) from runs", static row => row.GetInt64(0), Cancel))[0];

    private async Task<(HttpStatusCode Status, string Body)> PostAsync(string body, string? key = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, RunsServer.Runs) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", "caller");
        if (key is not null) request.Headers.Add("Idempotency-Key", key);
        using var response = await _runs.Server.Client.SendAsync(request, Cancel);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(Cancel));
    }

    private async Task<string> MadeAsync(string body)
    {
        var (status, answer) = await PostAsync(body);
        Assert.Equal(HttpStatusCode.Created, status);
        return JsonDocument.Parse(answer).RootElement.GetProperty("id").GetString()!;
    }
}
