using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests;

/// <summary>What people get wrong in their first hour: each is told what is wrong, where, and what to do.</summary>
[Line("2.13")]
public sealed class NewcomerMistakeTests : CliApiTests
{
    [Theory]
    [InlineData("cache settings -w acme -f missing.json")]
    [InlineData("admin-key add missing.json --name me")]
    [InlineData("cluster push-keys --token-file t --jwks-file missing.json --kubeconfig k")]
    [InlineData("cluster push-keys --token-file t --proof-file missing.json --kubeconfig k")]
    public async Task A_file_that_is_not_there_is_named_and_no_connection_is_blamed(string line)
    {
        Assert.Equal(2, await Cli.RunAsync(InFolder(line)));
        Assert.Contains(Path.Combine(Cli.Folder, "missing.json"), Cli.Error.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("connection", Cli.Error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_folder_in_the_place_of_a_file_is_named_too()
    {
        Directory.CreateDirectory(Path.Combine(Cli.Folder, "missing.json"));

        Assert.Equal(2, await Cli.RunAsync(InFolder("admin-key add missing.json --name me")));
        Assert.Contains("missing.json", Cli.Error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_is_not_written_over_and_whoever_makes_one_is_told_what_comes_next()
    {
        var file = Path.Combine(Cli.Folder, "mine.pem");
        Assert.Equal(0, await Cli.RunAsync("admin-key", "create", file));
        Assert.Contains("lanyard admin-key add mine.pem.jwk --name", Cli.Error.ToString(), StringComparison.Ordinal);
        var before = await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken);

        Assert.Equal(2, await Cli.RunAsync("admin-key", "create", file));
        Assert.Contains("is there already", Cli.Error.ToString(), StringComparison.Ordinal);
        Assert.Equal(before, await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Https_where_http_is_spoken_is_called_that()
    {
        Assert.Equal(4, await Cli.RunAsync("get", "workspaces", "--server", Api.Url.Replace("http:", "https:", StringComparison.Ordinal)));
        Assert.Contains("does not speak TLS (is it http?)", Cli.Error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Some_other_web_site_at_the_URL_is_no_refusal_of_the_key()
    {
        Api.IsAnotherServer = true;

        Assert.Equal(4, await Cli.RunAsync("get", "workspaces"));
        Assert.Contains($"is {Api.Url} the right URL?", Cli.Error.ToString(), StringComparison.Ordinal);
        Assert.Equal(4, await Cli.RunAsync("get", "workspaces", "--token-file", Cli.Write("token", "a.b.c")));
        Assert.Contains("is the URL right?", Cli.Error.ToString(), StringComparison.Ordinal);
        Assert.Empty(Cli.Out.ToString());
    }

    [Theory]
    [InlineData(-600, "behind")]
    [InlineData(600, "ahead of")]
    public async Task A_clock_that_is_wrong_is_the_cause_that_is_told(int seconds, string word)
    {
        Cli.Time = new ManualTime(TimeProvider.System.GetUtcNow().AddSeconds(seconds));

        Assert.Equal(5, await Cli.RunAsync("get", "workspaces"));
        Assert.Contains($"s {word} the server's", Cli.Error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("machine delete machine_1 -w acme", "machine_1: deleted")]
    [InlineData("cache rm 12 -w acme", "entries/12: deleted")]
    [InlineData("admin-key remove key_1", "key_1: removed")]
    [InlineData("revoke rm rev_1", "rev_1: taken back")]
    public async Task What_was_taken_away_is_said(string line, string words)
    {
        Api.OnRequest = http =>
        {
            http.Response.StatusCode = StatusCodes.Status204NoContent;
            return Task.FromResult(true);
        };

        Assert.Equal(0, await Cli.RunAsync(line.Split(' ')));
        Assert.Contains(words, Cli.Error.ToString(), StringComparison.Ordinal);
        Assert.Empty(Cli.Out.ToString());
    }

    [Fact]
    public async Task A_document_in_a_collection_that_is_not_there_is_told_which_is_missing()
    {
        Api.OnRequest = async http =>
        {
            await FakeApi.ProblemAsync(http, 404, "There is no such thing here.");
            return true;
        };
        var file = Cli.Write("d.yaml", "kind: Definition\nmetadata: {workspace: acme, collection: nowhere, slug: x}\nspec: {steps: [{name: a, script: 'true'}]}\n");

        Assert.Equal(3, await Cli.RunAsync("apply", "-f", file));
        Assert.Contains("Definition acme/nowhere/x: there is no collection acme/nowhere, or not for you: ", Cli.Error.ToString(), StringComparison.Ordinal);
        Assert.Equal(2, await Cli.RunAsync("apply", "-f", Cli.Folder));
        Assert.Contains("is a folder, and a file is wanted", Cli.Error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_deleted_or_missing_resource_is_called_as_apply_calls_it_and_empty_columns_are_left_out()
    {
        Api.Resources["/v1/workspaces/acme/runners/r1"] = (new() { ["slug"] = "r1", ["workspace"] = "acme", ["updatedAt"] = "2026-01-02T03:04:05.678+00:00" }, "\"1\"");

        Assert.Equal(0, await Cli.RunAsync("get", "runner", "r1", "-w", "acme"));
        Assert.Equal("SLUG  WORKSPACE  UPDATED\nr1    acme       2026-01-02T03:04:05Z\n", Cli.Out.ToString());
        Assert.Equal(0, await Cli.RunAsync("delete", "runner", "r1", "-w", "acme"));
        Assert.Equal("Runner acme/r1: deleted\n", Cli.Error.ToString());
        Assert.Equal(3, await Cli.RunAsync("delete", "runner", "r1", "-w", "acme"));
        Assert.StartsWith("Runner acme/r1: ", Cli.Error.ToString(), StringComparison.Ordinal);
    }

    private string[] InFolder(string line)
    {
        Cli.Write("t", "a.b.c");
        return [.. line.Split(' ').Select(word => word is "missing.json" or "t" ? Path.Combine(Cli.Folder, word) : word)];
    }
}
