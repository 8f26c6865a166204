using System.Net;
using System.Text.Json;
using Lanyard.Server.Collections;
using Lanyard.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Lanyard.Server.Tests.Collections;

[Line("5.4")]
public sealed class SubjectPreviewTests : IAsyncLifetime
{
    private const string Definition = "/v1/workspaces/acme/collections/infra/definitions/plan";
    private TestServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await TestServer.StartAsync();
        await _server.MakeWorkspaceAsync("acme");
        await _server.MakeCollectionAsync("acme", "infra");
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Every_template_of_every_audience_is_shown_with_the_default_first()
    {
        await MakeAsync("""{"audience":"https://sts.example","subject":"fine","subjects":{"fine":"c:{collection}:{definition}","coarse":"w:{workspace}"}}""");

        var items = await ItemsAsync();

        Assert.Equal(["fine", "coarse", "lanyard"], items.Select(static item => item.GetProperty("name").GetString()));
        Assert.Equal("c:infra:plan", items[0].GetProperty("example").GetString());
        Assert.True(items[0].GetProperty("isDefault").GetBoolean());
        Assert.Equal("w:acme", items[1].GetProperty("example").GetString());
        Assert.Equal("https://lanyard.test/oidc/acme", items[2].GetProperty("audience").GetString());
        Assert.Equal("workspace:acme:collection:infra:definition:plan:phase:run", items[2].GetProperty("example").GetString());
    }

    [Fact]
    [Line("6.2")]
    public async Task What_must_be_true_of_a_run_is_shown_with_each_template()
    {
        await MakeAsync("""{"audience":"https://sts.example","condition":"claims.phase == 'run'","subject":"a","subjects":{"a":"x:{run}","b":"y:{run}"},"conditions":{"b":"claims.attempt < 3"}}""");

        var conditions = (await ItemsAsync()).Take(2).Select(static item => string.Join(" and ", item.GetProperty("conditions").EnumerateArray().Select(static one => one.GetString())));
        Assert.Equal(["claims.phase == 'run'", "claims.phase == 'run' and claims.attempt < 3"], conditions);
    }

    [Fact]
    public async Task What_only_a_run_knows_stands_in_angle_brackets_and_what_is_said_in_its_place()
    {
        await MakeAsync("""{"audience":"https://sts.example","subject":"{runner}:{run}[:{environment}]"}""");

        Assert.Equal("<runner>:<run>", (await ItemsAsync())[0].GetProperty("example").GetString());
        Assert.Equal("k8s:<run>:live", (await ItemsAsync("?runner=k8s&environment=live"))[0].GetProperty("example").GetString());
        Assert.Equal(["run"], (await ItemsAsync())[0].GetProperty("varies").EnumerateArray().Select(static name => name.GetString()));
    }

    [Fact]
    public async Task A_shared_definitions_subjects_name_a_consumer_that_can_be_said_and_others_none()
    {
        const string audiences = """ "audiences":[{"audience":"https://sts.example","subject":"by:{consumer_workspace}/{consumer_collection}"}],"steps":[{"name":"a","script":"true"}] """;
        (await _server.PutAsync(Definition, $$$"""{"spec":{{{{audiences}}}}}""")).Made();
        Assert.Contains("needs consumer_workspace", (await ItemsAsync())[0].GetProperty("problems")[0].GetProperty("text").GetString(), StringComparison.Ordinal);

        (await _server.PutAsync(Definition, $$$"""{"spec":{"sharedWith":["team","other"],{{{audiences}}}}}""", ifMatch: "*")).Made();
        Assert.Equal("by:<consumer_workspace>/<consumer_collection>", (await ItemsAsync())[0].GetProperty("example").GetString());
        var said = (await ItemsAsync("?consumer_workspace=team&consumer_collection=net"))[0];
        Assert.Equal("by:team/net", said.GetProperty("example").GetString());
        Assert.Empty(said.GetProperty("problems").EnumerateArray());
    }

    [Theory]
    [InlineData("""{"audience":"api://AzureADTokenExchange","subject":"run:{run}"}""", "Azure", "is another in every run")]
    [InlineData("""{"audience":"api://AzureADTokenExchange","algorithm":"ES256"}""", "Azure", "RS256 only")]
    [InlineData("""{"audience":"api://AzureADTokenExchangeUSGov","algorithm":"ES256"}""", "Azure", "RS256 only")]
    [InlineData("""{"audience":"api://AzureADTokenExchangeChina","subject":"{run}"}""", "Azure", "is another in every run")]
    [InlineData("""{"audience":"sts.amazonaws.com","subject":"{collection}"}""", "AWS", "6 characters at least")]
    [InlineData("""{"audience":"https://iam.googleapis.com/p","subject":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:{run}"}""", "Google Cloud", "this one has 131")]
    [InlineData("""{"audience":"//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/prov","subject":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:{collection}"}""", "Google Cloud", "127 bytes")]
    [InlineData("""{"audience":"https://sts.example","subject":"repo:{repository}"}""", "Lanyard", "needs repository")]
    public async Task A_cloud_that_would_refuse_is_named_with_its_reason(string audience, string cloud, string reason)
    {
        await _server.MakeCollectionAsync("acme", "i");
        const string definition = "/v1/workspaces/acme/collections/i/definitions/plan";
        (await _server.PutAsync(definition, $$$"""{"spec":{"audiences":[{{{audience}}}],"steps":[{"name":"a","script":"true"}]}}""")).Made();

        var item = (await _server.GetAsync(definition + "/subjects")).Json.GetProperty("items")[0];

        var problem = Assert.Single(item.GetProperty("problems").EnumerateArray());
        Assert.Equal(cloud, problem.GetProperty("cloud").GetString());
        Assert.Contains(reason, problem.GetProperty("text").GetString(), StringComparison.Ordinal);
    }

    /// <summary>meshStack has audiences of its own for AWS and Google: that they are theirs is in the cloud block alone.</summary>
    [Theory]
    [InlineData("""{"aws":{"roleArn":"arn:aws:iam::123456789012:role/r","audience":"aws-workload-identity-provider:acme"}}""", "aws-workload-identity-provider:acme", "AWS", "subjects of 6 characters at least, this one has 5")]
    [InlineData("""{"gcp":{"provider":"projects/1/locations/global/workloadIdentityPools/pool/providers/prov","audience":"gcp-workload-identity-provider:acme"}}""", "gcp-workload-identity-provider:acme", "Google Cloud", "127 bytes at most, this one has 140")]
    [InlineData("""{"azure":{"tenantId":"11111111-2222-3333-4444-555555555555","clientId":"11111111-2222-3333-4444-555555555555","audience":"api://own"}}""", "api://own", "Azure", "RS256 only")]
    public async Task A_cloud_that_has_an_audience_of_its_own_is_known_by_the_block_that_asks_for_it(string cloud, string audience, string name, string reason)
    {
        var subject = name == "AWS" ? "{collection}" : new string('a', 134) + ":{collection}";
        var more = name == "Azure" ? ",\"algorithm\":\"ES256\"" : "";
        foreach (var ofCollection in (bool[])[true, false])
        {
            (await _server.PutAsync("/v1/workspaces/acme/collections/infra", $$$"""{"spec":{{{{(ofCollection ? $"\"cloud\":{cloud}" : "")}}}}}""", ifMatch: "*")).Made();
            (await _server.PutAsync(Definition, $$$"""
                {"spec":{"audiences":[{"audience":"{{{audience}}}","subject":"{{{subject}}}"{{{more}}}}],"steps":[{"name":"a","script":"true"}]{{{(ofCollection ? "" : $",\"cloud\":{cloud}")}}}}}
                """, ifMatch: ofCollection ? null : "*")).Made();

            var problem = Assert.Single((await ItemsAsync())[0].GetProperty("problems").EnumerateArray());
            Assert.Equal(name, problem.GetProperty("cloud").GetString());
            Assert.Contains(reason, problem.GetProperty("text").GetString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_run_that_nobody_knows_yet_is_as_long_as_runs_are()
    {
        await MakeAsync("""{"audience":"sts.amazonaws.com","subject":"{run}"}""");
        Assert.Empty((await ItemsAsync())[0].GetProperty("problems").EnumerateArray());
        (await _server.PutAsync(
            Definition, $$$"""{"spec":{"audiences":[{"audience":"https://sts.example","subject":"{{{new string('a', 230)}}}{run}"}],"steps":[{"name":"a","script":"true"}]}}""", ifMatch: "*")).Made();
        Assert.Contains("260 characters; 1 to 255", Assert.Single((await ItemsAsync())[0].GetProperty("problems").EnumerateArray()).GetProperty("text").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_old_template_shows_how_many_tokens_were_made_by_it_and_when_the_last()
    {
        await MakeAsync("""{"audience":"https://sts.example","subject":"fine","subjects":{"fine":"c:{definition}","old":"w:{workspace}"}}""");
        var id = (await _server.GetAsync(Definition)).Json.GetProperty("id").GetString()!;
        _server.Services.GetRequiredService<SubjectUses>().Count(new SubjectUse(id, "https://sts.example", "old"));

        var items = await ItemsAsync();

        Assert.Equal(0, items[0].GetProperty("tokens").GetInt64());
        Assert.False(items[0].TryGetProperty("lastUsedAt", out _));
        Assert.Equal(1, items[1].GetProperty("tokens").GetInt64());
        Assert.NotEqual(default, items[1].GetProperty("lastUsedAt").GetDateTimeOffset());
    }

    [Fact]
    public async Task A_value_that_no_run_could_have_and_an_unknown_name_are_both_told()
    {
        await MakeAsync("""{"audience":"https://sts.example"}""");

        var answer = await _server.GetAsync(Definition + "/subjects?environment=a:b&workspace=other");

        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        Assert.Equal(2, answer.Mistakes.Count);
    }

    private async Task MakeAsync(string audience) =>
        (await _server.PutAsync(Definition, $$$"""{"spec":{"audiences":[{{{audience}}}],"steps":[{"name":"a","script":"true"}]}}""")).Made();

    private async Task<List<JsonElement>> ItemsAsync(string query = "")
    {
        var answer = await _server.GetAsync(Definition + "/subjects" + query);
        Assert.True(answer.Status == HttpStatusCode.OK, answer.Body);
        return [.. answer.Json.GetProperty("items").EnumerateArray()];
    }
}
