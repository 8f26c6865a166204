using System.Net;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

[Line("4.3")]
public sealed class SqliteCacheProtocolTests() : CacheProtocolTests(DatabaseKind.Sqlite);

[Line("4.3")]
[Needs("postgres")]
public sealed class PostgresCacheProtocolTests() : CacheProtocolTests(DatabaseKind.Postgres);

/// <summary>Protocol v2 on the wire, and what both have in common, in the words that clients read.</summary>
public abstract class CacheProtocolTests(DatabaseKind kind) : CacheWireTests(kind)
{
    [Fact]
    public async Task A_miss_is_a_200_that_says_not_ok_and_never_an_error()
    {
        var machine = await Cache.MachineAsync();

        var miss = await Cache.LookUpAsync(machine, "nothing");

        Assert.Equal((HttpStatusCode.OK, """{"ok":false}"""), (miss.Status, miss.Body));
    }

    [Fact]
    public async Task Camel_case_numbers_and_unknown_members_are_taken_as_snake_case_and_texts_are()
    {
        var machine = await Cache.MachineAsync();
        var url = await Cache.ReserveAsync(machine, "k");
        await Cache.PutAsync(url, new byte[10]);

        var made = await Cache.TwirpAsync(
            machine, "FinalizeCacheEntryUpload",
            $$"""{"metadata":{"repositoryId":"1","scope":[{"scope":"x","permission":"3"}]},"key":"k","sizeBytes":10,"version":"{{CacheServer.Version}}","new":[{}]}""");
        var found = await Cache.TwirpAsync(
            machine, "GetCacheEntryDownloadURL", $$"""{"key":"other","restoreKeys":["k"],"version":"{{CacheServer.Version}}"}""");

        Assert.True(made.Json.GetProperty("ok").GetBoolean(), made.Body);
        Assert.InRange(long.Parse(made.Json.GetProperty("entry_id").GetString()!, System.Globalization.CultureInfo.InvariantCulture), 1, 1L << 53);
        Assert.Equal("k", found.Json.GetProperty("matched_key").GetString());
    }

    [Theory]
    [InlineData("POST", "/twirp/github.actions.results.api.v1.CacheService/Nothing", 404, "bad_route")]
    [InlineData("POST", "/twirp/github.actions.results.api.v1.ArtifactService/CreateArtifact", 404, "bad_route")]
    [InlineData("GET", "/twirp/github.actions.results.api.v1.CacheService/CreateCacheEntry", 404, "bad_route")]
    [InlineData("POST", "/twirp/", 404, "bad_route")]
    [Line("4.9")]
    public async Task Every_twirp_path_answers_in_json(string method, string path, int status, string code)
    {
        var machine = await Cache.MachineAsync();

        var answer = await Cache.Server.SendAsync(new HttpMethod(method), path, machine, method == "POST" ? "{}" : null);

        Assert.Equal((status, "application/json", code), ((int)answer.Status, answer.MediaType, answer.Json.GetProperty("code").GetString()));
    }

    [Theory]
    [InlineData("CreateCacheEntry")]
    [InlineData("FinalizeCacheEntryUpload")]
    [InlineData("GetCacheEntryDownloadURL")]
    public async Task Without_a_token_a_client_gets_one_clear_401(string method)
    {
        var answer = await Cache.TwirpAsync(null, method, "{}");

        Assert.Equal((HttpStatusCode.Unauthorized, "unauthenticated"), (answer.Status, answer.Json.GetProperty("code").GetString()));
    }

    [Theory]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("{\"key\":1}")]
    [InlineData("{\"key\":\"a\",\"key\":\"b\"}")]
    [InlineData("{\"version\":\"v\"}")]
    [InlineData("{\"key\":\"a,b\",\"version\":\"v\"}")]
    [InlineData("{\"key\":\"a\\u0000b\",\"version\":\"v\"}")]
    [InlineData("{\"key\":\"\\ud800\",\"version\":\"v\"}")]
    [InlineData("{\"key\":\"a\"}")]
    [InlineData("{\"key\":\"a\\nb\",\"version\":\"v\"}")]
    [InlineData("{\"key\":\"a\\u001fb\",\"version\":\"v\"}")]
    [InlineData("{\"key\":\"a\\u007f\",\"version\":\"v\"}")]
    [InlineData("{\"key\":\"\\udbff\\udfff\",\"version\":\"v\"}")]
    [InlineData("{\"key\":\"a\",\"version\":\"v\\u0000\"}")]
    [InlineData("{\"key\":\"\",\"version\":\"v\"}")]
    public async Task A_bad_request_is_a_400_and_reserves_nothing(string body)
    {
        var machine = await Cache.MachineAsync();

        var answer = await Cache.TwirpAsync(machine, "CreateCacheEntry", body);

        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        Assert.Equal(0, await Cache.Server.Database.ScalarAsync($"select count(*) from cache_entries"));
    }

    [Fact]
    public async Task A_key_has_512_characters_at_most_and_a_look_up_ten_keys()
    {
        var machine = await Cache.MachineAsync();
        var longest = new string('k', 512);
        await Cache.SaveAsync(machine, longest);

        Assert.Equal(longest, await Cache.FindAsync(machine, longest));
        Assert.Equal(HttpStatusCode.BadRequest, (await Cache.LookUpAsync(machine, longest + "k")).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await Cache.TwirpAsync(machine, "CreateCacheEntry", $$"""{"key":"{{longest}}k","version":"v"}""")).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await Cache.LookUpAsync(machine, "a", [.. Enumerable.Range(0, 10).Select(i => $"r{i}")])).Status);
    }

    [Theory]
    [InlineData("-1")]
    [InlineData("9223372036854775807")]
    [InlineData("11")]
    public async Task A_wrong_size_does_not_finalise(string size)
    {
        var machine = await Cache.MachineAsync();
        var url = await Cache.ReserveAsync(machine, "k");
        await Cache.PutAsync(url, new byte[10]);

        var answer = await Cache.TwirpAsync(
            machine, "FinalizeCacheEntryUpload", $$"""{"key":"k","size_bytes":"{{size}}","version":"{{CacheServer.Version}}"}""");

        Assert.False(answer.Status == HttpStatusCode.OK && answer.Json.GetProperty("ok").GetBoolean(), answer.Body);
        Assert.Null(await Cache.FindAsync(machine, "k"));
    }

    [Fact]
    public async Task Finalising_without_an_upload_or_without_a_reservation_says_so()
    {
        var machine = await Cache.MachineAsync();
        await Cache.ReserveAsync(machine, "k");

        var empty = await Cache.FinalizeAsync(machine, "k", 0);
        var missing = await Cache.FinalizeAsync(machine, "other", 0);

        Assert.False(empty.Json.GetProperty("ok").GetBoolean());
        Assert.Equal((HttpStatusCode.NotFound, "not_found"), (missing.Status, missing.Json.GetProperty("code").GetString()));
    }

    [Fact]
    public async Task Finalising_twice_gives_the_same_entry_again()
    {
        var machine = await Cache.MachineAsync();
        var url = await Cache.ReserveAsync(machine, "k");
        await Cache.PutAsync(url, new byte[10]);

        var first = await Cache.FinalizeAsync(machine, "k", 10);
        var second = await Cache.FinalizeAsync(machine, "k", 10);

        Assert.Equal(first.Body, second.Body);
    }

    [Fact]
    public async Task An_empty_blob_is_an_entry_too()
    {
        var machine = await Cache.MachineAsync();
        await Cache.SaveAsync(machine, "empty", []);

        using var response = await Cache.Client.GetAsync(await Cache.DownloadUrlAsync(machine, "empty"));

        Assert.Equal((HttpStatusCode.OK, 0L), (response.StatusCode, response.Content.Headers.ContentLength));
    }

    [Fact]
    [Line("4.2")]
    public async Task What_fails_here_is_a_503_in_each_protocols_own_words()
    {
        var machine = await Cache.MachineAsync();
        await Cache.SaveAsync(machine, "k");
        var url = await Cache.DownloadUrlAsync(machine, "k");
        await Cache.Server.Database.ExecuteAsync($"alter table cache_entries rename to away");

        foreach (var answer in (Answer[])[await Cache.LookUpAsync(machine, "k"), await Cache.FinalizeAsync(machine, "k", 1)])
            Assert.Equal((HttpStatusCode.ServiceUnavailable, "application/json", "unavailable"), (answer.Status, answer.MediaType, answer.Json.GetProperty("code").GetString()));
        var first = await Cache.Server.GetAsync($"{V1}cache?keys=k&version=v", machine);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "application/json", "ServiceException"), (first.Status, first.MediaType, first.Json.GetProperty("typeKey").GetString()));
        using var blob = await Cache.Client.GetAsync(new Uri(url));
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "application/xml", "ServerBusy"), (blob.StatusCode, blob.Content.Headers.ContentType?.MediaType, blob.Headers.GetValues("x-ms-error-code").Single()));
    }
}
