using System.Text.Json.Nodes;
using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests.Clusters;

/// <summary>Whoever approves pushed keys says which, or is shown them.</summary>
[Line("6.4")]
public sealed class ApprovePushedKeysTests() : CliApiTests("acme")
{
    private const string Path = "/v1/workspaces/acme/pushed-keys";
    private JsonNode? _sent;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        Api.Resources[Path] = (JsonNode.Parse("""
            {"items":[{"record":"clu_1","slug":"lab","keys":["old"],"pending":["old","new"],"pendingThumbprints":["print-of-old","print-of-new"],"isProven":true}]}
            """)!.AsObject(), "\"1\"");
        Api.OnRequest = async http =>
        {
            if (http.Request.Method != "POST" || http.Request.Path != Path + "/clu_1/approve") return false;
            _sent = await JsonNode.ParseAsync(http.Request.Body);
            await http.Response.WriteAsync("""{"record":"clu_1","slug":"lab","keys":["old","new"],"pending":[],"pendingThumbprints":[],"isProven":false}""");
            return true;
        };
    }

    [Fact]
    public async Task What_is_approved_is_what_was_named_or_shown_and_nothing_is_where_nobody_can_say_so()
    {
        Assert.Equal(2, await Cli.RunAsync("cluster", "approve-keys", "clu_1"));
        Assert.Null(_sent);

        Assert.Equal(0, await Cli.RunAsync("cluster", "approve-keys", "clu_1", "--yes"));
        Assert.Contains("print-of-new  new", Cli.Error.ToString(), StringComparison.Ordinal);
        Assert.Equal("""{"thumbprints":["print-of-old","print-of-new"]}""", _sent!.ToJsonString());

        // What the admin names is sent as it is, whatever waits by now.
        Assert.Equal(0, await Cli.RunAsync("cluster", "approve-keys", "clu_1", "--key", "print-of-old", "--key", "print-of-seen"));
        Assert.Equal("""{"thumbprints":["print-of-old","print-of-seen"]}""", _sent!.ToJsonString());
        Assert.NotEqual(0, await Cli.RunAsync("cluster", "approve-keys", "clu_2", "--yes"));
    }

    [Fact]
    public async Task The_list_shows_the_thumbprints_that_an_approval_names()
    {
        Assert.Equal(0, await Cli.RunAsync("cluster", "keys"));
        Assert.Contains("print-of-old print-of-new", Cli.Out.ToString(), StringComparison.Ordinal);
    }
}
