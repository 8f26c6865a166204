using System.Text.Json.Nodes;
using Lanyard.Cli.Runner;
using Lanyard.Cli.Runner.Kubernetes;
using Lanyard.Cli.Runner.Server;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Kubernetes;

[Line("5.1")]
public sealed class PodTimelineTests : IDisposable
{
    private readonly List<string> _reasons = [];
    private readonly string _token = Path.GetTempFileName();
    private JsonArray _events = [];

    public void Dispose() => File.Delete(_token);

    [Theory]
    [InlineData("ErrImageNeverPull")]
    [InlineData("InvalidImageName")]
    public async Task A_pods_status_that_ends_the_attempt_before_its_event_arrives_is_in_the_timeline_all_the_same(string cause)
    {
        var pod = Pod(cause);

        await TellAsync(pod);

        Assert.Equal([cause], _reasons);
    }

    [Fact]
    public async Task What_an_event_has_said_is_not_said_again()
    {
        _events = [new JsonObject { ["metadata"] = new JsonObject { ["uid"] = "e1", ["creationTimestamp"] = "2026-11-20T12:00:00Z" }, ["reason"] = "ErrImageNeverPull", ["message"] = "absent" }];

        await TellAsync(Pod("ErrImageNeverPull"));

        Assert.Equal(["ErrImageNeverPull"], _reasons);
    }

    private async Task TellAsync(PodState pod)
    {
        await File.WriteAllTextAsync(_token, "the-runners-own-token");
        using var cluster = new ClusterApi(
            new HttpClient(new StubHandler(_ => Task.FromResult(new HttpResponseMessage { Content = new StringContent(new JsonObject { ["items"] = _events.DeepClone() }.ToJsonString()) }))),
            "https://cluster", "builds", tokenFile: null);
        using var http = new HttpClient(new StubHandler(TakeAsync)) { BaseAddress = new Uri("https://server/") };
        var timeline = new PodTimeline(cluster, new ControlPlane(http, new TokenFileCredential(_token, TimeProvider.System), TimeProvider.System), new AttemptKey("run_1", 1), TimeProvider.System);

        await timeline.TellAsync(pod, default);
        await timeline.TellAsync(PodVerdict.Of(pod)!, default);
        await timeline.TellAsync(PodVerdict.Of(pod)!, default);
    }

    private async Task<HttpResponseMessage> TakeAsync(HttpRequestMessage request)
    {
        var report = JsonNode.Parse(await request.Content!.ReadAsStringAsync())!;
        _reasons.AddRange(report["events"]!.AsArray().Select(one => one!["reason"]!.GetValue<string>()));
        return new HttpResponseMessage { Content = new StringContent("""{"state":"running"}""") };
    }

    private static PodState Pod(string waiting) =>
        new("pod", "uid", "job", "Pending", null, "", IsDeleted: false, [new ContainerState(JobManifest.StepsContainer, waiting, IsRunning: false, null, null, "")]);
}
