using System.Net;
using Lanyard.Server.Collections;
using Lanyard.Server.Http;
using Lanyard.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Lanyard.Server.Tests.Collections;

[Line("2.6")]
public sealed class DefinitionTests : IAsyncLifetime
{
    private const string Path = "/v1/workspaces/acme/collections/infra/definitions/plan";

    private TestServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await TestServer.StartAsync();
        await _server.MakeWorkspaceAsync("acme");
        await _server.MakeCollectionAsync("acme", "infra");
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

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
    [Line("2.10")]
    public async Task The_instance_itself_is_no_audience_of_identity_tokens_and_that_is_said_when_it_is_written()
    {
        var refused = await _server.PutAsync(Path, $$$"""{"spec":{"audiences":[{"audience":"https://sts.example"},{"audience":"{{{TestServer.SomeUrl}}}"}],"steps":[{"name":"a","script":"true"}]}}""");

        Assert.Equal(HttpStatusCode.BadRequest, refused.Status);
        Assert.StartsWith("spec.audiences[1].audience: is this instance", Assert.Single(refused.Mistakes), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NotFound, (await _server.GetAsync(Path)).Status);
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
    [Line("2.10")]
    public async Task A_step_may_choose_a_subject_template_of_its_audience_by_name_and_no_other()
    {
        const string audiences = """[{"audience":"a","subject":"lanyard","subjects":{"old":"meshstack-definition"}}]""";
        foreach (var (oidc, mistake) in ((string, string?)[])
            [
                ("""{"audience":"a","subject":"old"}""", null), ("""{"audience":"a","subject":"lanyard"}""", null), ("""{"audience":"a"}""", null),
                ("""{"audience":"a","subject":"new"}""", "spec.steps[0].oidc.audiences[0].subject"), ("""{"audience":"z","subject":"old"}""", "spec.steps[0].oidc.audiences[0]"),
                ("""{"subject":"old"}""", "spec.steps[0].oidc.audiences[0]"), ("""{"audience":"a","template":"old"}""", "spec.steps[0].oidc.audiences[0]"),
                ("""{"audience":"a","subject":7}""", "spec.steps[0].oidc.audiences[0]"),
            ])
        {
            var answer = await _server.PutAsync($"{Path}-{Guid.NewGuid():N}"[..(Path.Length + 9)], $$$"""{"spec":{"audiences":{{{audiences}}},"steps":[{"name":"a","script":"x","oidc":{"audiences":[{{{oidc}}}]}}]}}""");
            Assert.Equal(mistake is null ? HttpStatusCode.Created : HttpStatusCode.BadRequest, answer.Status);
            if (mistake is not null) Assert.StartsWith(mistake + ":", Assert.Single(answer.Mistakes), StringComparison.Ordinal);
        }
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

    [Theory]
    [InlineData("{nothing}")]
    [InlineData("a{")]
    [InlineData("[x]")]
    [InlineData("")]
    public async Task A_subject_that_is_no_template_is_refused(string subject)
    {
        var answer = await _server.PutAsync(Path, WithSubject(subject));

        Assert.StartsWith("spec.audiences[0].subject: the subject template", Assert.Single(answer.Mistakes), StringComparison.Ordinal);
    }

    [Theory]
    [Line("2.11")]
    [InlineData("workspace:acme:collection:prod:definition:deploy", false)]
    [InlineData("bitbucket", false)]
    [InlineData("{repository}", false)]
    [InlineData("lanyard", true)]
    [InlineData("meshstack-definition", true)]
    public async Task The_admin_of_a_collection_can_not_make_its_runs_look_like_those_of_another(string subject, bool allowed)
    {
        BeCollectionAdmin();

        var answer = await _server.PutAsync(Path, WithSubject(subject), "collection-admin");

        Assert.Equal(allowed ? HttpStatusCode.Created : HttpStatusCode.Forbidden, answer.Status);
        if (!allowed)
        {
            Assert.StartsWith("spec.audiences[0].subject: needs an admin of the workspace", Assert.Single(answer.Mistakes), StringComparison.Ordinal);
        }
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

    [Theory]
    [Line("2.10")]
    [InlineData("""{"fine":"{nothing}"}""", "spec.audiences[0].subjects.fine")]
    [InlineData("""{"Fine":"{run}"}""", "spec.audiences[0].subjects.Fine")]
    [InlineData("""{"default":"{run}"}""", "spec.audiences[0].subjects.default")]
    [InlineData("""{"lanyard":"{run}"}""", "spec.audiences[0].subjects.lanyard")]
    [InlineData("""{"a":"x","b":"x","c":"x","d":"x","e":"x","f":"x","g":"x","h":"x","i":"x","j":"x","k":"x"}""", "spec.audiences[0].subjects")]
    public async Task A_named_subject_that_could_mean_two_things_or_nothing_is_refused(string subjects, string path)
    {
        var answer = await _server.PutAsync(Path, WithSubjects(subjects, "lanyard"));

        Assert.StartsWith(path + ":", Assert.Single(answer.Mistakes), StringComparison.Ordinal);
    }

    [Fact]
    [Line("2.11")]
    public async Task The_admin_of_a_collection_can_flip_the_default_among_named_subjects_but_not_slip_in_another()
    {
        BeCollectionAdmin();
        const string subjects = """{"by-repository":"{repository}","meshstack-definition":"meshstack-definition"}""";

        var refused = await _server.PutAsync(Path, WithSubjects(subjects, "by-repository"), "collection-admin");
        var made = await _server.PutAsync(Path, WithSubjects(subjects, "meshstack-definition"));
        var flipped = await _server.PutAsync(Path, WithSubjects(subjects, "by-repository"), "collection-admin", made.ETag);
        var slipped = await _server.PutAsync(
            Path, WithSubjects(subjects.Replace("{repository}", "{repository}:x", StringComparison.Ordinal), "by-repository"), "collection-admin", flipped.ETag);

        Assert.StartsWith("spec.audiences[0].subjects.by-repository: needs an admin", Assert.Single(refused.Mistakes), StringComparison.Ordinal);
        Assert.Equal((HttpStatusCode.Forbidden, HttpStatusCode.OK, HttpStatusCode.Forbidden), (refused.Status, flipped.Status, slipped.Status));
    }

    [Theory]
    [Line("6.2")]
    [InlineData("""{"condition":"claims.phase == "}""", "spec.audiences[0].condition")]
    [InlineData("""{"condition":"run.phase == 'apply'"}""", "spec.audiences[0].condition")]
    [InlineData("""{"condition":"'apply'"}""", "spec.audiences[0].condition")]
    [InlineData("""{"condition":""}""", "spec.audiences[0].condition")]
    [InlineData("""{"conditions":{"fine":"true"}}""", "spec.audiences[0].conditions.fine")]
    [InlineData("""{"conditions":{"default":"true"}}""", "spec.audiences[0].conditions.default")]
    [InlineData("""{"conditions":{"lanyard":"claims.phase.matches('(')"}}""", "spec.audiences[0].conditions.lanyard")]
    [InlineData("""{"subject":"fine","subjects":{"fine":"{run}"},"conditions":{"lanyard":"true"}}""", "spec.audiences[0].conditions.lanyard")]
    public async Task A_condition_that_can_not_be_read_or_is_for_no_subject_is_a_mistake_with_its_path(string members, string path)
    {
        var answer = await _server.PutAsync(Path, $$$"""{"spec":{"audiences":[{"audience":"a",{{{members[1..]}}}],"steps":[{"name":"a","script":"true"}]}}""");

        Assert.All(answer.Mistakes, mistake => Assert.StartsWith(path + ":", mistake, StringComparison.Ordinal));
        Assert.NotEmpty(answer.Mistakes);
        Assert.Equal(HttpStatusCode.NotFound, (await _server.GetAsync(Path)).Status);
    }

    [Theory]
    [Line("6.2")]
    [InlineData("""{"audience":"a","subject":"{repository}"}""", false)]
    [InlineData("""{"audience":"a","subject":"{repository}","condition":"true"}""", false)]
    [InlineData("""{"audience":"a","subject":"{repository}","condition":"claims.phase == 'apply'"}""", true)]
    [InlineData("""{"audience":"a","subject":"{repository}","conditions":{"default":"claims.phase == 'plan'"}}""", false)]
    [InlineData("""{"audience":"a","subject":"{repository}","conditions":{"default":"claims.phase == 'apply'"}}""", true)]
    [InlineData("""{"audience":"a","subject":"lanyard","conditions":{"lanyard":"claims.phase == 'plan'"}}""", true)]
    public async Task The_admin_of_a_collection_can_not_take_off_the_condition_under_which_a_foreign_subject_was_allowed(string audience, bool allowed)
    {
        BeCollectionAdmin();
        static string With(string audience) => $$$"""{"spec":{"audiences":[{{{audience}}}],"steps":[{"name":"a","script":"true"}]}}""";
        var made = await _server.PutAsync(Path, With("""{"audience":"a","subject":"{repository}","conditions":{"default":"claims.phase == 'apply'"}}"""));

        var answer = await _server.PutAsync(Path, With(audience), "collection-admin", made.ETag);

        Assert.Equal(allowed ? HttpStatusCode.OK : HttpStatusCode.Forbidden, answer.Status);
    }

    private static string WithSubjects(string subjects, string chosen) =>
        $$$"""{"spec":{"audiences":[{"audience":"sts.amazonaws.com","subject":"{{{chosen}}}","subjects":{{{subjects}}}}],"steps":[{"name":"a","script":"true"}]}}""";

    private static string WithSubject(string subject) =>
        $$$"""{"spec":{"audiences":[{"audience":"sts.amazonaws.com","subject":"{{{subject}}}"}],"steps":[{"name":"a","script":"true"}]}}""";

    private void BeCollectionAdmin()
    {
        var collection = _server.Services.GetRequiredService<CollectionDirectory>().FindByPath("acme/infra")!;
        _server.Be("collection-admin", new RoleBinding(new Scope(collection.Workspace.Id, collection.Id), Role.Admin));
    }
}
