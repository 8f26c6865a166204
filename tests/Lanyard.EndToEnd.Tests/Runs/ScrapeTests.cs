using System.Net;
using System.Net.Http.Headers;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>A real server as Prometheus sees it: with a bearer, through the same door as everybody.</summary>
[Line("5.9")]
public sealed class ScrapeTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Metrics_are_given_to_a_bearer_that_may_read_the_instance_and_to_nobody_else()
    {
        await using var installation = await Installation.StartAsync();
        await using var outside = await TestIssuer.StartAsync();
        await installation.ApplyAsync(
            Documents.Workspace("acme"), Documents.Collection("acme", "prod"), Documents.Definition("acme", "prod", "build", "true"),
            Documents.TrustedIssuer("acme", "outside", outside), Documents.TrustPolicy("acme", null, "ci", "outside", "ci", "roles: [viewer]"));
        (await installation.LanyardAsync("run", "build", "-w", "acme", "-c", "prod")).Succeeded();
        var metrics = new Uri(installation.Url + "/metrics");

        using var admin = installation.CreateClient(await installation.AdminTokenAsync());
        Assert.Contains("\nlanyard_polls_waiting 0", await admin.GetStringAsync(metrics, Cancel), StringComparison.Ordinal);

        using var http = new HttpClient();
        Assert.Equal(HttpStatusCode.Unauthorized, (await http.GetAsync(metrics, Cancel)).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync("none"));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(outside.Mint(installation.Url, "ci")));

        async Task<HttpStatusCode> StatusAsync(string bearer)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, metrics) { Headers = { Authorization = new AuthenticationHeaderValue("Bearer", bearer) } };
            using var answer = await http.SendAsync(request, Cancel);
            return answer.StatusCode;
        }
    }
}
