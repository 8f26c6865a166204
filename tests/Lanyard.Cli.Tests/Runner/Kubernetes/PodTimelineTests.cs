using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Cli.Runner;
using Lanyard.Cli.Runner.Kubernetes;
using Lanyard.Cli.Runner.Server;
using Lanyard.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Kubernetes;

[Line("5.1")]
public sealed class PodTimelineTests : IDisposable
{
    private readonly List<string> _reasons = [];
    private readonly List<string> _messages = [];
    private readonly List<string> _asked = [];
    private readonly string _token = Path.GetTempFileName();
    private JsonArray _events = [];
    private int _refused;

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
        await TellAsync(Pod("ErrImageNeverPull"), Event("e1", "ErrImageNeverPull", "absent"));

        Assert.Equal(["ErrImageNeverPull"], _reasons);
    }

    /// <summary>There is no pod then that anything could be said of: the Job's own events tell it.</summary>
    [Fact]
    public async Task A_quota_that_is_used_up_is_told_though_there_is_no_pod_and_once_however_often_Kubernetes_counts_it()
    {
        await TellAsync(null, Event("e1", "FailedCreate", "Error creating: pods \"run-1-abcde\" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=4, limited: pods=4"));

        Assert.Equal(["FailedCreate"], _reasons);
        Assert.Contains("exceeded quota: compute", _messages.Single(), StringComparison.Ordinal);
        Assert.Contains("involvedObject.name=run-1-1", Uri.UnescapeDataString(_asked[0]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_happens_to_Job_and_pod_is_told_of_both()
    {
        await TellAsync(Pod("ContainerCreating"), Event("e1", "SuccessfulCreate", "Created pod"), Event("e2", "FailedScheduling", "0/3 nodes are available"), Event("e3", "Pulling", "image"));

        Assert.Equal(["SuccessfulCreate", "FailedScheduling", "Pulling"], _reasons);
        Assert.Equal(["run-1-1", "pod"], _asked.Take(2).Select(static url => Uri.UnescapeDataString(url).Split("involvedObject.name=")[1]));
    }

    /// <summary>One that this server does not take must not keep the others from the timeline, nor come again with every look.</summary>
    [Fact]
    public async Task An_event_that_the_server_refuses_keeps_no_other_out_and_is_sent_no_more()
    {
        var events = Enumerable.Range(0, 50).Select(static i => Event($"e{i}", i == 31 ? "Unheard" : $"R{i}", "")).ToArray();

        await TellAsync(null, events);
        Assert.Equal(49, _reasons.Count);
        Assert.DoesNotContain("Unheard", _reasons);
        Assert.Equal(6, _refused); // of 50, 25, 12, 6, 3 and 1; the second look asks about it no more
    }

    private static JsonObject Event(string uid, string reason, string message) =>
        new() { ["metadata"] = new JsonObject { ["uid"] = uid, ["creationTimestamp"] = "2026-11-20T12:00:00Z" }, ["reason"] = reason, ["message"] = message };

    private Task TellAsync(PodState? pod, params JsonObject[] events)
    {
        _events = [.. events];
        return TellAsync(pod);
    }

    private async Task TellAsync(PodState? pod)
    {
        await File.WriteAllTextAsync(_token, "the-runners-own-token");
        using var cluster = new ClusterApi(
            new HttpClient(new StubHandler(AnswerAsync)),
            "https://cluster", "builds", tokenFile: null);
        using var http = new HttpClient(new StubHandler(TakeAsync)) { BaseAddress = new Uri("https://server/") };
        var timeline = new PodTimeline(cluster, new ControlPlane(http, new TokenFileCredential(_token, TimeProvider.System), TimeProvider.System), new AttemptKey("run_1", 1), TimeProvider.System, NullLogger.Instance);

        await timeline.TellAsync(pod, default);
        await timeline.TellAsync(pod, default);
        if (pod is not null && PodVerdict.Of(pod) is { } verdict)
        {
            await timeline.TellAsync(verdict, default);
            await timeline.TellAsync(verdict, default);
        }
    }

    private Task<HttpResponseMessage> AnswerAsync(HttpRequestMessage request)
    {
        _asked.Add(request.RequestUri!.OriginalString);
        return Task.FromResult(new HttpResponseMessage { Content = new StringContent(new JsonObject { ["items"] = _events.DeepClone() }.ToJsonString()) });
    }

    private async Task<HttpResponseMessage> TakeAsync(HttpRequestMessage request)
    {
        var report = JsonNode.Parse(await request.Content!.ReadAsStringAsync())!;
        if (report["events"]!.AsArray().Any(static one => one!["reason"]!.GetValue<string>() == "Unheard"))
        {
            _refused++;
            return new HttpResponseMessage(HttpStatusCode.BadRequest) { Content = new StringContent("{}") };
        }

        _reasons.AddRange(report["events"]!.AsArray().Select(one => one!["reason"]!.GetValue<string>()));
        _messages.AddRange(report["events"]!.AsArray().Select(one => one!["message"]!.GetValue<string>()));
        return new HttpResponseMessage { Content = new StringContent("""{"state":"running"}""") };
    }

    private static PodState Pod(string waiting) =>
        new("pod", "uid", "job", "Pending", null, "", IsDeleted: false, [new ContainerState(JobManifest.StepsContainer, waiting, IsRunning: false, null, null, "")]);
}
