using Lanyard.Identity;
using Lanyard.Server.Collections;
using Lanyard.Server.Runs;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("2.9")]
public sealed class SqliteRunIdentityTests() : RunIdentityTests(DatabaseKind.Sqlite);

[Line("2.9")]
[Needs("postgres")]
public sealed class PostgresRunIdentityTests() : RunIdentityTests(DatabaseKind.Postgres);

/// <summary>Which identity a run has, and when.</summary>
public abstract class RunIdentityTests(DatabaseKind kind) : RunsServerFixture(kind)
{
    [Fact]
    [Line("2.10")]
    public async Task A_living_attempt_has_the_identity_that_its_definition_allows_and_a_dead_one_none()
    {
        var identity = Runs.Get<RunIdentity>();
        var runner = await Runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        await Runs.CreateAsync("""{"definition":"build","phase":"apply","environment":"prod","ref":"refs/heads/main"}""");
        var run = await runner.TakeAsync();
        var uuid = (await Server.GetAsync("/v1/workspaces/demo/collections/one/definitions/build")).Json.GetProperty("spec").GetProperty("uuid").GetString();

        var aws = (await identity.GrantAsync(run, 1, "sts.amazonaws.com", cancellationToken: Cancel)).Value;
        Assert.Equal($"system:serviceaccount:test:workspace.demo.buildingblockdefinition.{uuid}", aws.Subject);
        Assert.Equal(("demo", "RS256", null), (aws.Workspace, aws.Algorithm, aws.Lifetime));
        var vault = (await identity.GrantAsync(run, 1, "vault", cancellationToken: Cancel)).Value;
        Assert.Equal("workspace:demo:collection:one:definition:build:phase:apply:environment:prod", vault.Subject);
        Assert.Equal(("ES256", TimeSpan.FromSeconds(120)), (vault.Algorithm, vault.Lifetime));
        Assert.Equal(("r1", 1L, false, run), (vault.Claims["runner"], vault.Claims["attempt"], vault.Claims["runner_shared"], vault.Claims["run"]));
        Assert.False(vault.Claims.ContainsKey("repository"));
        Assert.False((await identity.GrantAsync(run, 1, $"{TestServer.SomeUrl}/oidc/demo", cancellationToken: Cancel)).IsRefused);

        Assert.Equal(RefusalReason.AudienceNotAllowed, (await identity.GrantAsync(run, 1, "elsewhere", cancellationToken: Cancel)).Refusal.Reason);
        Assert.Equal(RefusalReason.SubjectEnded, (await identity.GrantAsync(run, 2, "vault", cancellationToken: Cancel)).Refusal.Reason);
        await runner.EndAsync(run);
        Assert.Equal(RefusalReason.SubjectEnded, (await identity.GrantAsync(run, 1, "vault", cancellationToken: Cancel)).Refusal.Reason);
    }

    [Fact]
    [Line("2.10")]
    public async Task A_subject_can_be_asked_for_by_name_and_each_template_is_counted_apart()
    {
        const string definition = "/v1/workspaces/demo/collections/one/definitions/build";
        var spec = """
            {"spec":{"steps":[{"name":"a","script":"true"}],"audiences":[
            {"audience":"aws","subject":"fine","subjects":{"fine":"run:{run}","coarse":"workspace:{workspace}"}},{"audience":"vault"}]}}
            """;
        var id = (await Server.PutAsync(definition, spec, ifMatch: "*")).Made();
        var (identity, uses) = (Runs.Get<RunIdentity>(), Runs.Get<SubjectUses>());
        var runner = await Runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        await Runs.CreateAsync();
        var run = await runner.TakeAsync();

        var fine = (await identity.GrantAsync(run, 1, "aws", cancellationToken: Cancel)).Value;
        var coarse = (await identity.GrantAsync(run, 1, "aws", "coarse", cancellationToken: Cancel)).Value;
        var vault = (await identity.GrantAsync(run, 1, "vault", "lanyard", cancellationToken: Cancel)).Value;
        Assert.Equal(($"run:{run}", "workspace:demo", "lanyard"), (fine.Subject, coarse.Subject, vault.Use.Template));
        foreach (var name in (string[])["bitbucket", "default", "lanyard", "run:{run}", ""])
            Assert.Equal(RefusalReason.ScopeNotAllowed, (await identity.GrantAsync(run, 1, "aws", name, cancellationToken: Cancel)).Refusal.Reason);
        Assert.Equal(RefusalReason.ScopeNotAllowed, (await identity.GrantAsync(run, 1, "vault", "coarse", cancellationToken: Cancel)).Refusal.Reason);

        await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Task.Run(() => uses.Count(fine.Use), Cancel)));
        await uses.FlushAsync(Cancel);
        uses.Count(fine.Use);
        uses.Count(coarse.Use);
        uses.Count(fine.Use with { DefinitionId = "def_gone" });
        Assert.Equal([("aws", "coarse", 1L), ("aws", "fine", 51L)], (await uses.ListAsync(id, Cancel)).Select(u => (u.Audience, u.Template, u.Tokens)));
        Assert.Empty(await uses.ListAsync("def_gone", Cancel));
    }

    /// <summary>An audience of one's own is Google's where the cloud block says so.</summary>
    [Theory]
    [Line("5.4")]
    [InlineData(127, true)]
    [InlineData(128, false)]
    public async Task No_token_is_made_of_whose_subject_Google_would_refuse_and_the_refusal_names_Google(int length, bool allowed)
    {
        const string provider = "projects/1/locations/global/workloadIdentityPools/pool/providers/prov";
        foreach (var audience in (string[])[$"https://iam.googleapis.com/{provider}", "gcp-workload-identity-provider:demo"])
        {
            var name = audience[..3];
            (await Server.PutAsync($"/v1/workspaces/demo/collections/one/definitions/{name}", $$$$$"""
                {"spec":{"steps":[{"name":"a","script":"true"}],"audiences":[{"audience":"{{{{{audience}}}}}","subject":"{{{{{new string('a', length)}}}}}"},{"audience":"other","subject":"{{{{{new string('a', length)}}}}}"}],
                "cloud":{"gcp":{"provider":"{{{{{provider}}}}}","audience":"{{{{{audience}}}}}"}}}}
                """)).Made();
            var runner = await Runs.RunnerAsync(name, "one");
            await runner.OpenAsync();
            await Runs.CreateAsync($$"""{"definition":"{{name}}"}""");
            var run = await runner.TakeAsync();

            var granted = await Runs.Get<RunIdentity>().GrantAsync(run, 1, audience, cancellationToken: Cancel);
            Assert.Equal(allowed, !granted.IsRefused);
            if (!allowed) Assert.Equal((RefusalReason.ScopeNotAllowed, "the subject has 128 bytes, Google takes 127"), (granted.Refusal.Reason, granted.Refusal.Detail));
            Assert.False((await Runs.Get<RunIdentity>().GrantAsync(run, 1, "other", cancellationToken: Cancel)).IsRefused);
        }
    }

    [Theory]
    [Line("6.2")]
    [InlineData("claims.phase == 'apply' && claims.attempt == 1 && !claims.runner_shared", true)]
    [InlineData("claims.definition == 'guarded' && claims.run.startsWith('run_') && claims.?repository.orValue('none') == 'none'", true)]
    [InlineData("claims.phase == 'plan'", false)]
    [InlineData("claims.repository == 'acme/app'", false)]
    [InlineData("claims.repository != 'acme/app'", false)]
    [InlineData("claims.attempt == '1'", false)]
    public async Task A_run_gets_no_token_for_an_audience_or_a_subject_whose_condition_is_not_true_of_it(string condition, bool expected)
    {
        foreach (var member in (string[])[$"\"condition\":\"{condition}\"", $"\"conditions\":{{\"fine\":\"{condition}\"}}"])
        {
            (await Server.PutAsync(
                "/v1/workspaces/demo/collections/one/definitions/guarded",
                $$$"""{"spec":{"steps":[{"name":"hello","script":"true"}],"audiences":[{"audience":"aws","subject":"fine","subjects":{"fine":"run:{run}","coarse":"w:{workspace}"},{{{member}}}}]}}""",
                ifMatch: member.StartsWith("\"conditions", StringComparison.Ordinal) ? "*" : null)).Made();
            var runner = await Runs.RunnerAsync($"r{member.Length}", "one");
            await runner.OpenAsync();
            await Runs.CreateAsync("""{"definition":"guarded","phase":"apply"}""");
            var run = await runner.TakeAsync();

            var fine = await Runs.Get<RunIdentity>().GrantAsync(run, 1, "aws", cancellationToken: Cancel);
            var coarse = await Runs.Get<RunIdentity>().GrantAsync(run, 1, "aws", "coarse", cancellationToken: Cancel);

            Assert.Equal((expected, expected || member.StartsWith("\"conditions", StringComparison.Ordinal)), (!fine.IsRefused, !coarse.IsRefused));
            if (!expected) Assert.Equal(RefusalReason.AudienceNotAllowed, fine.Refusal.Reason);
            await runner.EndAsync(run);
        }
    }
}
