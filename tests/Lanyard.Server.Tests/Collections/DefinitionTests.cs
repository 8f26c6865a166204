using System.Net;
using Lanyard.Server.Http;
using Lanyard.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Lanyard.Server.Tests.Collections;

/// <summary>A definition as it is written and kept: its UUID, its mistakes, its size.</summary>
[Line("2.6")]
public sealed class DefinitionTests : DefinitionTestBase
{
    [Fact]
    public async Task A_definition_keeps_its_spec_and_has_a_uuid_that_is_its_id()
    {
        const string spec = """
            {"spec":{"description":"d","timeoutSeconds":60,"executor":"process","defaultAudience":"sts.amazonaws.com",
            "audiences":[{"audience":"sts.amazonaws.com","algorithm":"RS256","lifetimeSeconds":900}],"labels":["linux"],
            "steps":[{"name":"plan","argv":["terraform","plan"],"environment":{"TF_IN_AUTOMATION":"1"},"timeoutSeconds":30,"oidc":true},
            {"name":"show","script":"env\n","oidc":{"audiences":["sts.amazonaws.com"]}}]}}
            """;

        var made = await _server.PutAsync(Path, spec);

        Assert.Equal(HttpStatusCode.Created, made.Status);
        var uuid = made.Json.GetProperty("spec").GetProperty("uuid").GetString()!;
        Assert.Equal(made.Json.GetProperty("id").GetString(), Ids.FromUuid("def", Guid.Parse(uuid)));
        Assert.Equal(made.Body, (await _server.GetAsync(Path)).Body);
    }

    [Fact]
    public async Task A_uuid_that_is_given_at_creation_stays_for_ever()
    {
        const string uuid = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
        const string with = $$$"""{"spec":{"uuid":"{{{uuid}}}","steps":[{"name":"a","script":"true"}]}}""";
        const string without = """{"spec":{"steps":[{"name":"b","script":"true"}]}}""";
        const string other = """{"spec":{"uuid":"00000000-7425-40de-944b-e07fc1f90ae7","steps":[{"name":"b","script":"true"}]}}""";

        var made = await _server.PutAsync(Path, with);
        var changed = await _server.PutAsync(Path, without, ifMatch: made.ETag);
        var refused = await _server.PutAsync(Path, other, ifMatch: "*");
        var twice = await _server.PutAsync(Path + "-2", with);

        Assert.Equal(uuid, made.Json.GetProperty("spec").GetProperty("uuid").GetString());
        Assert.Equal(uuid, changed.Json.GetProperty("spec").GetProperty("uuid").GetString());
        Assert.Equal(HttpStatusCode.Conflict, refused.Status);
        Assert.Equal(HttpStatusCode.Conflict, twice.Status);
    }

    [Fact]
    public async Task Every_mistake_of_a_spec_is_told_at_once_with_its_path()
    {
        const string spec = """
            {"spec":{"executor":"docker","timeoutSeconds":0,"defaultAudience":"nobody","uuid":"X","labels":["Linux"],
            "audiences":[{"audience":"a","algorithm":"HS256","lifetimeSeconds":5},{"audience":"a"}],
            "steps":[{"name":"A"},{"name":"b","argv":[],"script":"x","environment":{"LANYARD_OIDC_TOKEN":"x","1A":"y"}},
            {"name":"b","script":"x","oidc":{"audiences":["a","z"]}},{"name":"c","script":"x","oidc":"yes","timeoutSeconds":90000}]}}
            """;

        var answer = await _server.PutAsync(Path, spec);

        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        Assert.Equal(
            [
                "spec.audiences[0].algorithm", "spec.audiences[0].lifetimeSeconds", "spec.audiences[1].audience", "spec.defaultAudience", "spec.executor",
                "spec.labels[0]", "spec.steps[0]", "spec.steps[0].name", "spec.steps[1]", "spec.steps[1].argv", "spec.steps[1].environment.1A",
                "spec.steps[1].environment.LANYARD_OIDC_TOKEN", "spec.steps[2].name", "spec.steps[2].oidc.audiences[1]", "spec.steps[3].oidc",
                "spec.steps[3].timeoutSeconds", "spec.timeoutSeconds", "spec.uuid",
            ],
            answer.Mistakes.Select(mistake => mistake[..mistake.IndexOf(':', StringComparison.Ordinal)]).Order(StringComparer.Ordinal));
        Assert.Equal(HttpStatusCode.NotFound, (await _server.GetAsync(Path)).Status);
    }

    [Fact]
    public async Task Ten_thousand_steps_are_one_clear_mistake()
    {
        var steps = string.Join(',', Enumerable.Range(0, 10_000).Select(i => $$"""{"name":"s{{i}}","script":"x"}"""));

        var answer = await _server.PutAsync(Path, $$$"""{"spec":{"steps":[{{{steps}}}]}}""");

        Assert.Equal(["spec.steps: must be 1 to 200 steps, not 10000"], answer.Mistakes);
    }

    [Theory]
    [InlineData("""{"spec":{"steps":[{"name":"a","script":"x","nope":1}],"stepz":[]},"extra":{}}""", "spec.steps[0].nope: is unknown|spec.stepz: is unknown|extra: is unknown")]
    [InlineData("""{"spec":{"steps":[{"script":1},"x"],"timeoutSeconds":"5"}}""", "spec.steps[0].script: must be text|spec.steps[0].name: is missing|spec.steps[1]: must be an object|spec.timeoutSeconds: must be a whole number")]
    [InlineData("""{"spec":{"steps":[{"name":"a","argv":["x",null]}]}}""", "spec.steps[0].argv[1]: is null")]
    [InlineData("""{"spec":{}}""", "spec.steps: is missing")]
    [InlineData("""{}""", "spec: is missing")]
    [InlineData("""[]""", ": must be an object")]
    [InlineData("""null""", ": must be an object")]
    [InlineData("""{"spec":{"steps":[],"steps":[]}}""", null)]
    [InlineData("""{"spec":""", null)]
    [InlineData("""{"spec":{"steps":[{"name":"a","script":"\ud800"}]}}""", null)]
    [InlineData("""{"spec":{"steps":[{"name":"a","script":"a\u0000b"}]}}""", "spec.steps[0].script: has a NUL character")]
    [InlineData("", null)]
    public async Task A_body_that_is_not_strictly_of_the_shape_is_refused_and_changes_nothing(string body, string? mistakes)
    {
        var answer = await _server.PutAsync(Path, body);

        Assert.Equal((HttpStatusCode.BadRequest, "request-malformed"), (answer.Status, answer.Problem));
        if (mistakes is not null)
        {
            Assert.Equal(mistakes.Split('|'), answer.Mistakes);
        }

        Assert.Equal(HttpStatusCode.NotFound, (await _server.GetAsync(Path)).Status);
    }

    [Fact]
    public async Task A_body_over_a_mebibyte_is_refused_before_it_is_parsed()
    {
        var answer = await _server.PutAsync(Path, $$$"""{"spec":{"description":"{{{new string('x', 1024 * 1024)}}}"}}""");

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, answer.Status);
    }

    [Fact]
    public async Task A_nest_of_a_thousand_lists_is_refused()
    {
        var answer = await _server.PutAsync(Path, $$$"""{"spec":{{{new string('[', 1000)}}}""");

        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
    }

    [Fact]
    [Line("2.11")]
    public async Task The_admin_of_a_collection_can_not_choose_a_uuid_but_keeps_what_the_workspaces_admin_wrote()
    {
        BeCollectionAdmin();
        const string uuid = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
        const string spec = $$$"""
            {"spec":{"uuid":"{{{uuid}}}","audiences":[{"audience":"a","subject":"{repository}"}],"steps":[{"name":"a","script":"true"}]}}
            """;

        var refused = await _server.PutAsync(Path, spec, "collection-admin");
        var made = await _server.PutAsync(Path, spec);
        var kept = await _server.PutAsync(Path, spec.Replace("true", "false", StringComparison.Ordinal), "collection-admin", made.ETag);
        var widened = await _server.PutAsync(Path, spec.Replace("\"a\",\"subject", "\"b\",\"subject", StringComparison.Ordinal), "collection-admin", kept.ETag);

        Assert.Equal(HttpStatusCode.Forbidden, refused.Status);
        Assert.Equal(HttpStatusCode.OK, kept.Status);
        Assert.Equal(HttpStatusCode.Forbidden, widened.Status);
    }
}
