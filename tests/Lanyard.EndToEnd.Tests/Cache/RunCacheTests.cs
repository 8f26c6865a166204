using System.Net;
using System.Text.Json;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Cache;

/// <summary>Steps of real runs, in real sandboxes, with the unmodified client: what the runner's listener hands them is all that they have.</summary>
[Line("4.6")]
[Needs("npm")]
[Needs("bwrap")]
public sealed class RunCacheTests(RunCacheScene scene) : IClassFixture<RunCacheScene>
{
    [Fact]
    public async Task A_step_saves_and_the_next_run_restores_in_ranges_and_the_pass_dies_with_its_attempt()
    {
        var (first, run) = await RunAsync("prod", "build", "k", "refs/heads/main");
        Assert.Equal(JsonValueKind.Null, first.GetProperty("found").ValueKind);
        Assert.True(first.GetProperty("saved").GetInt64() > 0, first.GetRawText());
        var (second, _) = await RunAsync("prod", "build", "k", "refs/heads/main");

        Assert.Equal("k", second.GetProperty("found").GetString());
        Assert.Equal(first.GetProperty("hash").GetString(), second.GetProperty("hash").GetString());
        Assert.True(second.GetProperty("ranges").GetInt32() > 1, "the client took its parallel path");

        // Which attempt wrote it, for which ref, with which token.
        var producer = Assert.Single((await scene.Installation.LanyardJsonAsync("cache", "ls", "-w", "acme", "--key", "k")).AsArray())!["producer"]!;
        Assert.Equal(($"{run}.1", "refs/heads/main", 64), (producer["subject"]!.GetValue<string>(), producer["ref"]!.GetValue<string>(), producer["tokenSha256"]!.GetValue<string>().Length));

        // Masked in the log, and worth nothing now: at the listener, and at the server, where it never was worth anything.
        var log = (await scene.Installation.LanyardAsync("logs", "-w", "acme", "-c", "prod", run)).Succeeded();
        Assert.Contains("the pass is ", log, StringComparison.Ordinal);
        Assert.DoesNotContain(first.GetProperty("pass").GetString()!.Split('.')[2], log, StringComparison.Ordinal);
        foreach (var url in (string[])[first.GetProperty("url").GetString()!, scene.Installation.Url + "/"])
        {
            using var client = new HttpClient();
            client.DefaultRequestHeaders.Authorization = new("Bearer", first.GetProperty("pass").GetString());
            using var answer = await client.PostAsync(
                new Uri(url + "twirp/github.actions.results.api.v1.CacheService/GetCacheEntryDownloadURL"), new StringContent("{}", System.Text.Encoding.UTF8, "application/json"));
            Assert.Equal((HttpStatusCode.Unauthorized, "application/json"), (answer.StatusCode, answer.Content.Headers.ContentType!.MediaType));
        }
    }

    [Fact]
    public async Task Refs_and_modes_and_collections_are_walls()
    {
        Assert.True((await RunAsync("prod", "build", "wall", "refs/heads/main")).Said.GetProperty("saved").GetInt64() > 0);

        // A pull request reads the default branch; what it writes is its own.
        Assert.Equal("wall", (await RunAsync("prod", "build", "wall", "refs/pull/7/merge")).Said.GetProperty("found").GetString());
        Assert.True((await RunAsync("prod", "build", "poison", "refs/pull/7/merge")).Said.GetProperty("saved").GetInt64() > 0);
        var main = (await RunAsync("prod", "build", "poison", "refs/heads/main")).Said;
        Assert.Equal(JsonValueKind.Null, main.GetProperty("found").ValueKind);

        // Read only: finds, and does not save.
        Assert.Equal("wall", (await RunAsync("prod", "reader", "wall", "refs/heads/main")).Said.GetProperty("found").GetString());
        Assert.Equal(-1, (await RunAsync("prod", "reader", "new", "refs/heads/main")).Said.GetProperty("saved").GetInt64());

        // Another collection, of which an admin states the same repository and ref.
        Assert.Equal(JsonValueKind.Null, (await RunAsync("far", "build", "wall", "refs/heads/main")).Said.GetProperty("found").ValueKind);
    }

    [Fact]
    public async Task A_client_of_the_first_protocol_comes_through_the_listener_too()
    {
        var (first, _) = await RunAsync("prod", "build", "v1", "refs/heads/main", "CLIENT=actions-cache-3");
        Assert.True(first.GetProperty("saved").GetInt64() > 0, first.GetRawText());
        var (second, _) = await RunAsync("prod", "build", "v1", "refs/heads/main", "CLIENT=actions-cache-3");

        Assert.Equal("v1", second.GetProperty("found").GetString());
        Assert.Equal(first.GetProperty("hash").GetString(), second.GetProperty("hash").GetString());
    }

    [Theory]
    [InlineData("without")]
    [InlineData("plain")]
    public async Task A_step_that_has_no_cache_is_handed_nothing(string definition)
    {
        (await scene.Installation.LanyardAsync("run", definition, "-w", "acme", "-c", "prod", "--repository", "demo/app", "--ref", "refs/heads/main")).Succeeded();
        var message = await scene.Mailbox.ReceiveAsync();
        await message.AnswerAsync();

        Assert.Equal("none none", message.Text.Trim());
    }

    private async Task<(JsonElement Said, string Run)> RunAsync(string collection, string definition, string key, string gitRef, params string[] variables)
    {
        var run = (await scene.Installation.LanyardAsync(
            ["run", definition, "-w", "acme", "-c", collection, "--repository", "demo/app", "--ref", gitRef, .. variables.Append($"KEY={key}").SelectMany(static one => (string[])["--variable", one])]))
            .Succeeded().Trim();
        var message = await scene.Mailbox.ReceiveAsync(TimeSpan.FromSeconds(120));
        await message.AnswerAsync();
        var view = await scene.Installation.WaitForEndAsync("acme", collection, run);
        Assert.True(view["state"]!.GetValue<string>() == "succeeded", $"{message.Text}: {view.ToJsonString()}");
        return (JsonDocument.Parse(message.Text).RootElement, run);
    }
}
