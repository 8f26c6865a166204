using System.Net;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Collections;

/// <summary>Audiences, subject templates and conditions of a definition, and who may write which.</summary>
[Line("2.6")]
public sealed class DefinitionSubjectTests : DefinitionTestBase
{
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
}
