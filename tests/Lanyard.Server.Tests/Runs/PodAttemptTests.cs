using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Server.Tests.Federation;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

/// <summary>What becomes of an attempt in a pod: who holds it, how it is cancelled, what is told of it.</summary>
[Line("5.1")]
[Line("5.2")]
public sealed class PodAttemptTests : PodServerTests
{
    [Fact]
    [Line("5.1")]
    public async Task A_pod_holds_its_attempt_while_its_runner_is_away_and_when_it_comes_back()
    {
        var run = await TakeAsync();
        await BindAsync(run);
        var pod = Pod();
        await AcceptAsync(run, pod);
        for (var i = 0; i < 4; i++)
        {
            Time.Advance(TimeSpan.FromSeconds(40));
            var held = await AttemptAsync(run, "hold", """{"waitSeconds":0}""", Pod());
            Assert.Equal(("keep", true), (held.Json["answer"]!.GetValue<string>(), held.Json["leaseSeconds"]!.GetValue<int>() > 50));
        }

        await Server.LogInAsync(Time);
        Session = await OpenAsync("kubernetes", "nonce-of-the-second-process");
        var polled = await SayAsync(
            HttpMethod.Post, "/v1/runner/poll", $$$"""{"session":"{{{Session}}}","free":0,"waitSeconds":0,"holds":[{"run":"{{{run}}}","attempt":1,"state":"running"}]}""", Own());
        Assert.Equal("keep", polled.Json["answers"]![0]!["answer"]!.GetValue<string>());
        Assert.Equal(HttpStatusCode.OK, (await AttemptAsync(run, "start", """{"session":""}""", Pod())).Status);
        Assert.Equal(HttpStatusCode.OK, (await BindAsync(run)).Status);
        Assert.Equal(HttpStatusCode.OK, (await EndAsync(run, Pod())).Status);
        Assert.Equal("succeeded", (await ViewAsync(run))["state"]!.GetValue<string>());
    }

    [Fact]
    [Line("5.1")]
    public async Task A_cancel_ends_the_wait_of_the_pods_hold_and_the_pod_may_still_say_how_it_ended()
    {
        var run = await TakeAsync();
        await BindAsync(run);
        var pod = Pod();
        var given = await AcceptAsync(run, pod);
        await AttemptAsync(run, "start", """{"session":""}""", pod);
        var held = AttemptAsync(run, "hold", """{"waitSeconds":15}""", pod);
        Assert.Equal(HttpStatusCode.OK, (await Server.SendAsync(HttpMethod.Post, $"/v1/workspaces/acme/collections/prod/runs/{run}/cancel")).Status);

        Assert.Equal("cancel", (await held).Json["answer"]!.GetValue<string>());
        Assert.Equal(HttpStatusCode.Unauthorized, (await Server.GetAsync("/runtime/whoami", given.Json["runtimeToken"]!.GetValue<string>())).Status);
        Assert.Equal(HttpStatusCode.OK, (await EndAsync(run, pod, "canceled")).Status);
        Assert.Equal("canceled", (await ViewAsync(run))["state"]!.GetValue<string>());
    }

    [Fact]
    [Line("5.1")]
    public async Task A_runner_without_the_executor_is_not_offered_the_run()
    {
        Session = await OpenAsync("process", "nonce-of-another-process");
        await CreateAsync();
        Assert.Empty((await PollAsync())["offers"]!.AsArray());
        Session = await OpenAsync("kubernetes", "nonce-of-a-third-process");
        Assert.Single((await PollAsync())["offers"]!.AsArray());
    }

    [Fact]
    [Line("5.1")]
    public async Task Events_come_once_and_in_their_order_and_wrong_ones_are_refused()
    {
        var run = await TakeAsync();
        Assert.Equal(HttpStatusCode.OK, (await EventAsync(run, "Pulling", "2026-01-02T00:00:00Z")).Status);
        Assert.Equal(HttpStatusCode.OK, (await EventAsync(run, "Scheduled", "2026-01-01T00:00:00Z")).Status);
        Assert.Equal(HttpStatusCode.OK, (await EventAsync(run, "Pulling", "2026-01-03T00:00:00Z")).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await EventAsync(run, "Not a word")).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await AttemptAsync(run, "events", $$"""{"session":"{{Session}}","events":[]}""", Own())).Status);

        Assert.Equal(["Scheduled", "Pulling"], (await ViewAsync(run))["attempts"]![0]!["events"]!.AsArray().Select(one => one!["reason"]!.GetValue<string>()));
    }

    /// <summary>What the runner is told of the pod: the collection's word where the definition has none, the definition's where it has one.</summary>
    [Theory]
    [Line("5.1")]
    [InlineData(null, "tools:1", "collections", "ssd")]
    [InlineData("""{"image":"tools:2"}""", "tools:2", "collections", "ssd")]
    [InlineData("""{"serviceAccount":"definitions"}""", "tools:1", "definitions", "ssd")]
    [InlineData("""{"image":"tools:2","serviceAccount":"definitions","nodeSelector":{"disk":"slow"}}""", "tools:2", "definitions", "slow")]
    public async Task Image_and_service_account_are_the_collections_where_the_definition_has_none(string? pod, string image, string account, string disk)
    {
        await Server.PutAsync(
            "/v1/workspaces/acme/collections/prod", """{"pod":{"image":"tools:1","serviceAccount":"collections","nodeSelector":{"disk":"ssd"}}}""", ifMatch: "*");
        await Server.PutAsync(
            "/v1/workspaces/acme/collections/prod/definitions/deploy",
            $$"""{"executor":"kubernetes",{{(pod is null ? "" : $"\"pod\":{pod},")}}"steps":[{"name":"a","script":"true"}]}""", ifMatch: "*");
        var run = await CreateAsync();
        Assert.Single((await PollAsync())["offers"]!.AsArray());

        var told = (await AttemptAsync(run, "accept", $$"""{"session":"{{Session}}"}""", Own())).Json["pod"]!;
        Assert.Equal((image, account, disk), (told["image"]!.GetValue<string>(), told["serviceAccount"]!.GetValue<string>(), told["nodeSelector"]!["disk"]!.GetValue<string>()));
    }

    [Theory]
    [InlineData("""{"image":"-x"}""")]
    [InlineData("""{"user":0}""")]
    [InlineData("""{"imagePullPolicy":"Sometimes"}""")]
    [InlineData("""{"limits":{"memory":"much"}}""")]
    [InlineData("""{"nodeSelector":{"a b":"c"}}""")]
    [InlineData("""{"serviceAccount":"Upper"}""")]
    [InlineData("""{"privileged":true}""")]
    [Line("5.1")]
    public async Task A_pod_block_that_Kubernetes_would_not_take_is_refused(string pod) =>
        Assert.Equal(HttpStatusCode.BadRequest, (await Server.SendAsync(HttpMethod.Put, "/v1/workspaces/acme/collections/second", $$$"""{"spec":{"pod":{{{pod}}}}}""")).Status);
}
