using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests.Revocations;

[Line("6.5")]
public sealed class RevokeTests : CliApiTests
{
    private readonly List<string> _bodies = [];

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        Api.OnRequest = async http =>
        {
            using var reader = new StreamReader(http.Request.Body);
            _bodies.Add($"{http.Request.Method} {http.Request.Path} {await reader.ReadToEndAsync()}");
            await http.Response.WriteAsync(http.Request.Method == "GET"
                ? """{"items":[{"id":"rev_1","kind":"principal","value":"policy:ci:a","createdAt":"2026-01-01T00:00:00Z","reason":"gone"}]}"""
                : """{"id":"rev_1"}""");
            return true;
        };
    }

    [Fact]
    public async Task What_is_revoked_is_said_to_the_workspace_or_to_everybody_and_can_be_taken_back()
    {
        Assert.Equal(0, await Cli.RunAsync("revoke", "principal", "policy:ci:a", "-w", "acme", "--reason", "gone"));
        Assert.Equal("rev_1\n", Cli.Out.ToString());
        Assert.Equal(0, await Cli.RunAsync("revoke", "key", "k1"));
        Assert.Equal(0, await Cli.RunAsync("revoke", "rm", "rev_1", "-w", "acme"));
        Assert.Equal(0, await Cli.RunAsync("revoke", "list"));
        Assert.Contains("rev_1  principal  policy:ci:a", Cli.Out.ToString(), StringComparison.Ordinal);
        Assert.Equal(
            ["""POST /v1/workspaces/acme/revocations {"kind":"principal","value":"policy:ci:a","reason":"gone"}""", """POST /v1/revocations {"kind":"key","value":"k1"}""",
                "DELETE /v1/workspaces/acme/revocations/rev_1 ", "GET /v1/revocations "],
            _bodies);
        Assert.Equal(2, await Cli.RunAsync("revoke", "list", "-w", "../x"));
    }
}
