using System.Text.Json.Nodes;
using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests.Issuers;

[Line("2.2")]
public sealed class ExportAndMigrateTests : CliApiTests
{
    private const string Definition = "/v1/workspaces/acme/collections/prod/definitions/deploy";
    private readonly Dictionary<string, string> _answers = [];
    private JsonNode? _put;

    private string Out => Path.Combine(Cli.Folder, "site");

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        Api.OnRequest = async http =>
        {
            if (http.Request.Method == "PUT") _put = JsonNode.Parse(await new StreamReader(http.Request.Body).ReadToEndAsync());
            if (!_answers.TryGetValue(http.Request.Path.Value!, out var text)) return false;
            http.Response.Headers.ETag = "\"v1\"";
            await http.Response.WriteAsync(text);
            return true;
        };
        const string metadata = """{"issuer":"https://id.example/oidc/acme","jwks_uri":"https://id.example/oidc/acme/jwks"}""";
        _answers["/v1/workspaces/acme/issuer"] = """{"issuer":"https://id.example/oidc/acme"}""";
        _answers["/oidc/acme/jwks"] = """{"keys":[{"kid":"new"}]}""";
        _answers["/oidc/acme/.well-known/openid-configuration"] = metadata;
        _answers["/.well-known/oauth-authorization-server/oidc/acme"] = metadata;
    }

    [Fact]
    public async Task An_export_stands_at_the_paths_of_both_discoveries_and_replaces_the_one_before_whole()
    {
        Directory.CreateDirectory(Path.Combine(Out, "oidc/acme"));
        await File.WriteAllTextAsync(Path.Combine(Out, "oidc/acme/jwks"), new string('x', 10_000), TestContext.Current.CancellationToken);

        Assert.Equal(0, await Cli.RunAsync("issuer", "export", "acme", "--out", Out));

        var files = Directory.GetFiles(Out, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 }).Select(file => Path.GetRelativePath(Out, file));
        Assert.Equal(
            [".well-known/oauth-authorization-server/oidc/acme", "oidc/acme/.well-known/openid-configuration", "oidc/acme/jwks"], files.Order(StringComparer.Ordinal));
        Assert.Equal(_answers["/oidc/acme/jwks"], await File.ReadAllTextAsync(Path.Combine(Out, "oidc/acme/jwks"), TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Metadata_of_another_issuer_is_not_exported()
    {
        _answers["/oidc/acme/.well-known/openid-configuration"] = """{"issuer":"https://other.example","jwks_uri":"https://other.example/jwks"}""";

        Assert.NotEqual(0, await Cli.RunAsync("issuer", "export", "acme", "--out", Out));
        Assert.False(Directory.Exists(Out));
    }

    [Theory]
    [Line("2.10")]
    [InlineData("""{"audience":"aws","subject":"a","subjects":{"a":"{run}","b":"{runner}"}}""", "b", """{"audience":"aws","subject":"b","subjects":{"a":"{run}","b":"{runner}"}}""")]
    [InlineData("""{"audience":"aws"}""", "meshstack-definition", """{"audience":"aws","subjects":{"lanyard":"lanyard"},"subject":"meshstack-definition"}""")]
    [InlineData("""{"audience":"aws","subject":"{run}"}""", "lanyard", """{"audience":"aws","subject":"lanyard","subjects":{"previous":"{run}"}}""")]
    public async Task A_migration_flips_the_default_and_keeps_the_old_one_by_name(string before, string to, string after)
    {
        _answers[Definition] = $$"""{"kind":"Definition","spec":{"steps":[],"audiences":[{"audience":"vault"},{{before}}]} }""";

        Assert.Equal(0, await Cli.RunAsync("subject", "migrate", "deploy", "-w", "acme", "-c", "prod", "--audience", "aws", "--to", to));

        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(after), _put!["spec"]!["audiences"]![1]), _put!.ToJsonString());
    }

    [Theory]
    [Line("2.10")]
    [InlineData("aws", "nothing")]
    [InlineData("gcp", "lanyard")]
    public async Task An_unknown_audience_or_subject_changes_nothing(string audience, string to)
    {
        _answers[Definition] = """{"kind":"Definition","spec":{"steps":[],"audiences":[{"audience":"aws","subject":"{run}"}]}}""";

        Assert.NotEqual(0, await Cli.RunAsync("subject", "migrate", "deploy", "-w", "acme", "-c", "prod", "--audience", audience, "--to", to));
        Assert.Null(_put);
    }
}
