using System.Text;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Federation;

/// <summary>What is left of tokens in a real server's log and on its disk.</summary>
[Line("6.5")]
public sealed class TokenTraceTests
{
    private const string Audience = "https://sts.example";

    /// <summary>The Fulcio of 2025 logged its own; octo-sts writes hashes.</summary>
    [Fact]
    public async Task No_token_that_came_in_or_went_out_stands_in_the_log_the_audit_or_the_database()
    {
        await using var installation = await Installation.StartAsync();
        await using var outside = await TestIssuer.StartAsync();
        await installation.ApplyAsync(
            Documents.Workspace("acme"), Documents.TrustedIssuer("acme", "outside", outside), Documents.TrustPolicy("acme", null, "ci", "outside", "ci", $"roles: [viewer], audiences: ['{Audience}']") + "\n  once: true");
        using var http = new HttpClient();
        var tokens = new List<string>();
        async Task<string?> ExchangeAsync(string token, string audience)
        {
            var made = await installation.ExchangeAsync("acme", token, audience);
            tokens.AddRange(made is null ? [token] : [token, made]);
            return made;
        }

        // Taken, taken again, of nobody, of another issuer, forged; as bearer; with a proof; introspected and revoked.
        var subject = outside.Mint(installation.Url, "ci");
        var identity = await ExchangeAsync(subject, Audience);
        Assert.NotNull(identity);
        foreach (var bad in (string[])[subject, outside.Mint(installation.Url, "nobody"), outside.Mint("https://elsewhere.example", "ci"), subject[..^6] + "AAAAAA"]) Assert.Null(await ExchangeAsync(bad, Audience));
        var api = await ExchangeAsync(outside.Mint(installation.Url, "ci"), "");
        Assert.NotNull(api);
        foreach (var bearer in (string[])[api, identity, subject])
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, installation.Url + "/v1/workspaces/acme/collections") { Headers = { Authorization = new("Bearer", bearer) } };
            await http.SendAsync(request, TestContext.Current.CancellationToken);
        }

        foreach (var path in (string[])["/introspect", "/revoke"])
        {
            using var form = new FormUrlEncodedContent([new("token", identity)]);
            await http.PostAsync(new Uri(installation.IssuerOf("acme") + path), form, TestContext.Current.CancellationToken);
        }

        await installation.KillServerAsync();
        var left = Directory.EnumerateFiles(installation.DataFolder, "*", SearchOption.AllDirectories).Select(file => (Place: file, Text: Encoding.Latin1.GetString(File.ReadAllBytes(file))))
            .Append((Place: "the log", Text: installation.Server.Output + installation.Server.Errors)).ToList();
        Assert.Contains(left, static one => one.Text.Contains("token.exchange", StringComparison.Ordinal));
        foreach (var (place, text) in left)
            Assert.All(tokens, token => Assert.False(text.Contains(token.Split('.')[2], StringComparison.Ordinal) || text.Contains(token.Split('.')[1], StringComparison.Ordinal), $"a token's signature or claims stand in {place}"));
    }
}
