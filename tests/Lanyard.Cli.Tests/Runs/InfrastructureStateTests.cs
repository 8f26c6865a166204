using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests.Runs;

[Line("5.6")]
public sealed class InfrastructureStateTests : IAsyncLifetime
{
    private const string States = "/v1/workspaces/acme/collections/infra/states";
    private readonly CliRun _cli = new();
    private FakeApi _api = null!;

    public async ValueTask InitializeAsync()
    {
        _api = await FakeApi.StartAsync();
        _cli.Environment["LANYARD_SERVER"] = _api.Url;
        _cli.Environment["LANYARD_DATA_DIR"] = _cli.Folder;
        _cli.Environment["LANYARD_WORKSPACE"] = "acme";
        _cli.Environment["LANYARD_COLLECTION"] = "infra";
        _cli.Write("admin-key.pem", _api.AdminKey.ExportPem());
    }

    public async ValueTask DisposeAsync()
    {
        await _api.DisposeAsync();
        _cli.Dispose();
    }

    [Fact]
    public async Task The_newest_version_is_pulled_or_the_one_that_is_named_as_long_as_it_may_be()
    {
        var state = $$"""{"version":4,"serial":1,"lineage":"l","outputs":"{{new string('ä', 9 << 20)}}"}""";
        _api.OnRequest = async http =>
        {
            await http.Response.WriteAsync(http.Request.Path == States + "/network/versions" ? """{"items":[{"version":3,"bytes":9,"run":"run_01k"},{"version":2,"bytes":8}]}""" : state);
            return true;
        };

        Assert.Equal(ExitCode.Done, await _cli.RunAsync("state", "pull", "network"));
        Assert.Equal(state, _cli.Out.ToString());
        Assert.Equal(ExitCode.Done, await _cli.RunAsync("state", "pull", "network", "--version", "2"));
        Assert.Equal([$"GET {States}/network/versions", $"GET {States}/network/versions/3", $"GET {States}/network/versions/2"], _api.Requests.Where(r => r.Contains("/states/", StringComparison.Ordinal)));
        Assert.Equal(ExitCode.Done, await _cli.RunAsync("state", "versions", "network"));
        Assert.Matches("3 +9 +run_01k", _cli.Out.ToString());
        Assert.Matches("2 +8 +pushed", _cli.Out.ToString());
    }

    [Theory]
    [InlineData("\"network.3\"", "network.3", null)]
    [InlineData(null, null, "*")]
    public async Task What_is_pushed_replaces_what_was_seen_or_is_the_first(string? etag, string? ifMatch, string? ifNoneMatch)
    {
        string? put = null;
        _api.OnRequest = async http =>
        {
            if (http.Request.Method == "GET")
            {
                http.Response.Headers.ETag = etag;
                http.Response.StatusCode = etag is null ? 404 : 200;
                await http.Response.WriteAsync("{}");
                return true;
            }

            put = $"{http.Request.Path} {http.Request.Headers.IfMatch} {http.Request.Headers.IfNoneMatch} {await new StreamReader(http.Request.Body).ReadToEndAsync()}";
            await http.Response.WriteAsync("""{"version":4}""");
            return true;
        };

        Assert.Equal(ExitCode.Usage, await _cli.RunAsync("state", "push", "network", _cli.Write("no.tfstate", "no state")));
        Assert.Null(put);
        _cli.Input = """{"version":4}""";
        Assert.Equal(ExitCode.Done, await _cli.RunAsync("state", "push", "network", "-"));
        Assert.Equal($"{States}/network {(ifMatch is null ? "" : $"\"{ifMatch}\"")} {ifNoneMatch} {{\"version\":4}}", put);
        Assert.Equal("network version 4\n", _cli.Out.ToString());
    }
}
