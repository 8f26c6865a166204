using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests.Runs;

[Line("5.6")]
public sealed class InfrastructureStateTests() : CliApiTests("acme", "infra")
{
    private const string States = "/v1/workspaces/acme/collections/infra/states";

    [Fact]
    public async Task The_newest_version_is_pulled_or_the_one_that_is_named_as_long_as_it_may_be()
    {
        var state = $$"""{"version":4,"serial":1,"lineage":"l","outputs":"{{new string('ä', 9 << 20)}}"}""";
        Api.OnRequest = async http =>
        {
            await http.Response.WriteAsync(http.Request.Path == States + "/network/versions" ? """{"items":[{"version":3,"bytes":9,"run":"run_01k"},{"version":2,"bytes":8}]}""" : state);
            return true;
        };

        Assert.Equal(ExitCode.Done, await Cli.RunAsync("state", "pull", "network"));
        Assert.Equal(state, Cli.Out.ToString());
        Assert.Equal(ExitCode.Done, await Cli.RunAsync("state", "pull", "network", "--version", "2"));
        Assert.Equal([$"GET {States}/network/versions", $"GET {States}/network/versions/3", $"GET {States}/network/versions/2"], Api.Requests.Where(r => r.Contains("/states/", StringComparison.Ordinal)));
        Assert.Equal(ExitCode.Done, await Cli.RunAsync("state", "versions", "network"));
        Assert.Matches("3 +9 +run_01k", Cli.Out.ToString());
        Assert.Matches("2 +8 +pushed", Cli.Out.ToString());
    }

    [Theory]
    [InlineData("\"network.3\"", "network.3", null)]
    [InlineData(null, null, "*")]
    public async Task What_is_pushed_replaces_what_was_seen_or_is_the_first(string? etag, string? ifMatch, string? ifNoneMatch)
    {
        string? put = null;
        Api.OnRequest = async http =>
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

        Assert.Equal(ExitCode.Usage, await Cli.RunAsync("state", "push", "network", Cli.Write("no.tfstate", "no state")));
        Assert.Null(put);
        Cli.Input = """{"version":4}""";
        Assert.Equal(ExitCode.Done, await Cli.RunAsync("state", "push", "network", "-"));
        Assert.Equal($"{States}/network {(ifMatch is null ? "" : $"\"{ifMatch}\"")} {ifNoneMatch} {{\"version\":4}}", put);
        Assert.Equal("network version 4\n", Cli.Out.ToString());
    }

    [Fact]
    public async Task What_is_deleted_is_what_was_seen()
    {
        string? deleted = null;
        Api.OnRequest = async http =>
        {
            if (http.Request.Method == "DELETE") deleted = $"{http.Request.Path} {http.Request.Headers.IfMatch}";
            http.Response.Headers.ETag = "\"network.3\"";
            http.Response.StatusCode = http.Request.Method == "DELETE" ? 204 : 200;
            if (http.Request.Method == "GET") await http.Response.WriteAsync("{}");
            return true;
        };

        Assert.Equal(ExitCode.Done, await Cli.RunAsync("state", "delete", "network"));
        Assert.Equal($"{States}/network \"network.3\"", deleted);
    }
}
