using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>What a job on GitHub's own runners calls through us, and where it is told to send its bytes.</summary>
[Line("4.6")]
public sealed class WorkflowForwardTests : WorkflowServerTests
{
    [Fact]
    public async Task Calls_of_other_services_go_on_to_GitHub_with_GitHubs_token_and_no_other_token_ever_does()
    {
        var seen = new List<(string Path, string? Bearer)>();
        await using var results = await ResultsAsync(seen);
        await Cache.TrustAsync($$""","resultsUrl":"{{results.Urls.First()}}" """);
        var token = Cache.Token();
        const string artifacts = "/twirp/github.actions.results.api.v1.ArtifactService/CreateArtifact";

        var (status, json) = await Cache.Server.SendAsync(HttpMethod.Post, artifacts, """{"name":"a"}""", token);
        Assert.Equal((HttpStatusCode.OK, "here"), (status, Text(json, "signed_upload_url")));
        Assert.Equal([(artifacts, $"Bearer {token}")], seen);

        // A machine of ours, an unknown method of the cache, an odd path: answered here.
        var (_, machine) = await Cache.Server.SendAsync(HttpMethod.Post, "/v1/workspaces/acme/machines", """{"repository":"demo/app","ref":"refs/heads/main"}""");
        Assert.Equal((HttpStatusCode.NotFound, "bad_route"), Code(await Cache.Server.SendAsync(HttpMethod.Post, artifacts, "{}", Text(machine, "token"))));
        Assert.Equal((HttpStatusCode.NotFound, "bad_route"), Code(await Cache.TwirpAsync("Nothing", token, "{}")));
        Assert.Equal((HttpStatusCode.NotFound, "bad_route"), Code(await Cache.Server.SendAsync(HttpMethod.Post, "/twirp/a/b/c", "{}", token)));
        Assert.Equal((HttpStatusCode.Unauthorized, "unauthenticated"), Code(await Cache.Server.SendAsync(HttpMethod.Post, artifacts, "{}", "nonsense")));
        Assert.Single(seen);

        // Its error page becomes an error that clients understand, and so does its absence.
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "unavailable"), Code(await Cache.Server.SendAsync(HttpMethod.Post, artifacts + "Html", "{}", token)));
        await results.StopAsync();
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "unavailable"), Code(await Cache.Server.SendAsync(HttpMethod.Post, artifacts, "{}", token)));
    }

    [Fact]
    public async Task The_URL_of_a_blob_has_the_origin_that_the_caller_names_and_stays_signed()
    {
        using var client = new HttpClient();
        foreach (var (said, origin) in ((string, string)[])
        [
            ("http://lanyard.blob.core.windows.net:4711", "http://lanyard.blob.core.windows.net:4711"), ("https://x/path", Cache.Server.Url), ("javascript:alert(1)", Cache.Server.Url),
        ])
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, Cache.Server.Url + "/twirp/github.actions.results.api.v1.CacheService/CreateCacheEntry");
            request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {Cache.Token()}");
            request.Headers.TryAddWithoutValidation("Lanyard-Cache-Origin", said);
            request.Content = new StringContent($$"""{"key":"{{said.Length}}","version":"1"}""", System.Text.Encoding.UTF8, "application/json");
            using var response = await client.SendAsync(request);
            var url = JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement.GetProperty("signed_upload_url").GetString()!;
            Assert.StartsWith(origin + "/cache/ws_", url, StringComparison.Ordinal);
        }
    }

    private static (HttpStatusCode, string) Code((HttpStatusCode Status, JsonNode Json) answer) => (answer.Status, Text(answer.Json, "code"));

    private static async Task<WebApplication> ResultsAsync(List<(string, string?)> seen)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        app.Run(async context =>
        {
            if (context.Request.Path.Value!.EndsWith("Html", StringComparison.Ordinal))
            {
                context.Response.ContentType = "text/html";
                await context.Response.WriteAsync("<h1>no</h1>");
                return;
            }

            seen.Add((context.Request.Path.Value, context.Request.Headers.Authorization));
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync("""{"ok":true,"signed_upload_url":"here"}""");
        });
        await app.StartAsync();
        return app;
    }
}
