using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>A real server as Prometheus sees it, with a bearer, through the same door as everybody, and as a collector does.</summary>
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

    [Fact]
    [Needs("bwrap")]
    public async Task A_collector_is_told_by_OTLP_of_depths_times_leases_masks_and_logs_of_a_real_run()
    {
        var posts = new ConcurrentQueue<string>();
        await using var collector = new RawUpstream(async connection =>
        {
            while (await connection.ReadHeadAsync() is { } head)
            {
                posts.Enqueue(await connection.ReadBodyAsync(head));
                await connection.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            }
        });
        await using var installation = await Installation.StartAsync(environment: new Dictionary<string, string?>
        {
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.Address.ToString(),
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
            ["OTEL_METRIC_EXPORT_INTERVAL"] = "500",
        });
        await installation.ApplyAsync(
            Documents.Workspace("acme"), Documents.Collection("acme", "prod"), Documents.Definition("acme", "prod", "build", "echo ::add-mask::of-this-step; echo of-this-step"));
        var run = (await installation.LanyardAsync("run", "build", "-w", "acme", "-c", "prod")).Succeeded();
        await ToldAsync("lanyard.runs", "acme", "prod", "runnable");
        await ToldAsync("lanyard.runs.oldest", "lanyard.polls.waiting", "lanyard.log.followers");
        await installation.StartApprovedRunnerAsync("host", ["acme/prod"]);
        await installation.WaitForEndAsync("acme", "prod", run, TimeSpan.FromSeconds(120));

        await ToldAsync(
            "lanyard.run.queued", "lanyard.offer", "lanyard.attempt", "lanyard.runs.created", "lanyard.attempts.accepted", "lanyard.attempts.ended", "lanyard.runs.finished", "succeeded",
            "lanyard.log.bytes", "lanyard.log.masks");

        // In one message.
        Task ToldAsync(params string[] words) => Eventually.HoldsAsync(
            () => Task.FromResult(posts.Any(post => words.All(word => post.Contains(word, StringComparison.Ordinal)))), $"the collector is told of {string.Join(", ", words)}");
    }
}
