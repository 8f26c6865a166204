using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Server.Tests.Federation;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

/// <summary>An attempt's pod proves itself by its pod-bound token, by that alone, and to its own attempt alone.</summary>
[Line("5.2")]
public sealed class PodTests : PodServerTests
{
    [Fact]
    public async Task The_pod_that_the_runner_named_gets_the_payload_and_every_other_gets_nothing()
    {
        var run = await TakeAsync();
        Assert.Equal(HttpStatusCode.Unauthorized, (await AcceptAsync(run, Pod())).Status);
        Assert.Equal(HttpStatusCode.OK, (await BindAsync(run)).Status);

        var given = await AcceptAsync(run, Pod());
        Assert.Equal(HttpStatusCode.OK, given.Status);
        Assert.Equal(("tools:2", 1000), (given.Json["pod"]!["image"]!.GetValue<string>(), given.Json["pod"]!["user"]!.GetValue<long>()));
        Assert.Equal(HttpStatusCode.OK, (await Server.GetAsync("/runtime/whoami", given.Json["runtimeToken"]!.GetValue<string>())).Status);

        foreach (var other in (string[])[Pod(uid: "another"), Pod(name: NameOf(run) + "x"), Pod(place: "elsewhere"), Pod(account: "another"), Pod(isBound: false), Pod(subject: "ci")])
            Assert.Equal(HttpStatusCode.Unauthorized, (await AcceptAsync(run, other)).Status);

        Assert.Single(await Server.AuditAsync("attempt.give"));
        Assert.Single(await Server.AuditAsync("attempt.pod"));
    }

    /// <summary>Whoever takes a runner away, because its cluster is in wrong hands perhaps, ends what it has made too.</summary>
    [Fact]
    public async Task A_pod_of_a_runner_that_was_taken_away_is_nobody_at_once_and_can_not_keep_its_attempt_alive()
    {
        var run = await TakeAsync();
        await BindAsync(run);
        var (pod, fresh) = (Pod(), Pod());
        await AcceptAsync(run, pod);
        Assert.Equal(HttpStatusCode.OK, (await AttemptAsync(run, "hold", """{"waitSeconds":0}""", pod)).Status);

        Assert.Equal(HttpStatusCode.NoContent, (await Server.SendAsync(HttpMethod.Delete, "/v1/workspaces/acme/runners/pods", ifMatch: "*")).Status);

        foreach (var token in (string[])[pod, fresh])
        {
            Assert.Equal(HttpStatusCode.Unauthorized, (await AttemptAsync(run, "hold", """{"waitSeconds":0}""", token)).Status);
            Assert.Equal(HttpStatusCode.Unauthorized, (await AcceptAsync(run, token)).Status);
        }
    }

    [Fact]
    public async Task A_pod_of_another_cluster_with_the_same_names_and_uid_gets_nothing()
    {
        await using var other = await TestIssuer.StartAsync(Time);
        await RegisterAsync("other", other);
        var run = await TakeAsync();
        await BindAsync(run);

        Assert.Equal(HttpStatusCode.Unauthorized, (await AcceptAsync(run, Pod(cluster: other))).Status);
        Assert.Equal(HttpStatusCode.OK, (await AcceptAsync(run, Pod())).Status);
    }

    [Fact]
    public async Task A_pod_is_written_once_by_the_attempts_runner_alone()
    {
        var run = await TakeAsync();
        Assert.Equal(HttpStatusCode.BadRequest, (await BindAsync(run, account: "runner")).Status);
        Assert.Equal(HttpStatusCode.Conflict, (await BindAsync(run, session: "ses_01k00000000000000000000000")).Status);
        Assert.Equal(HttpStatusCode.OK, (await BindAsync(run)).Status);
        Assert.Equal(HttpStatusCode.OK, (await BindAsync(run)).Status);
        Assert.Equal(HttpStatusCode.Conflict, (await BindAsync(run, uid: "another")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await BindAsync(run, bearer: Pod())).Status);

        var second = await TakeAsync();
        Assert.Equal(HttpStatusCode.Unauthorized, (await AcceptAsync(second, Pod(uid: "another"))).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await AcceptAsync(second, Pod(name: NameOf(run)))).Status);
    }

    /// <summary>Names and uids of a cluster's pods are no secret there, and its runners may be of several workspaces.</summary>
    [Fact]
    public async Task A_runner_that_names_anothers_pod_as_its_own_gets_nothing_and_keeps_nobody_out()
    {
        var (first, second) = (await TakeAsync(), await TakeAsync());
        Assert.Equal(HttpStatusCode.BadRequest, (await BindAsync(second, name: NameOf(first))).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await BindAsync(second, name: NameOf(second).Replace("-1-", "-11-", StringComparison.Ordinal))).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await BindAsync(second, name: "deployer-7d5c")).Status);
        Assert.Equal(HttpStatusCode.OK, (await BindAsync(second)).Status);

        Assert.Equal(HttpStatusCode.OK, (await BindAsync(first)).Status);
        Assert.Equal(HttpStatusCode.OK, (await AcceptAsync(first, Pod(name: NameOf(first)))).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await AcceptAsync(second, Pod(name: NameOf(first)))).Status);
    }

    [Fact]
    public async Task A_pod_is_no_principal_of_anything_but_its_attempt()
    {
        await Server.PutAsync(
            "/v1/workspaces/acme/trust-policies/everybody", """{"issuer":"cluster/lab","claims":{"sub":"system:serviceaccount:runs:run"},"allow":{"roles":["admin"],"audiences":["sts"]}}""");
        var run = await TakeAsync();
        await BindAsync(run);
        var pod = Pod();
        Assert.Equal(HttpStatusCode.OK, (await AcceptAsync(run, pod)).Status);

        Assert.Equal(HttpStatusCode.NotFound, (await Server.GetAsync("/v1/workspaces/acme/collections", pod)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await SayAsync(HttpMethod.Post, "/v1/runner/poll", """{"session":"","free":1,"waitSeconds":0,"holds":[]}""", pod)).Status);
        Assert.NotEqual(HttpStatusCode.OK, (await Server.ExchangeAsync("/oidc/acme/token", pod, "sts")).Status);
        Assert.NotEqual(HttpStatusCode.OK, (await Server.ExchangeAsync("/token", pod)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await AcceptAsync("run_01k00000000000000000000000", pod)).Status);
    }

    [Fact]
    public async Task After_the_attempts_end_its_pod_gets_nothing_and_its_runner_may_still_say_why()
    {
        var run = await TakeAsync();
        await BindAsync(run);
        var pod = Pod();
        await AcceptAsync(run, pod);
        Assert.Equal(HttpStatusCode.OK, (await AttemptAsync(run, "start", """{"session":""}""", pod)).Status);
        Assert.Equal(HttpStatusCode.OK, (await EndAsync(run, pod)).Status);

        Assert.Equal(HttpStatusCode.Unauthorized, (await AcceptAsync(run, pod)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await AttemptAsync(run, "hold", """{"waitSeconds":0}""", pod)).Status);
        Assert.Equal(HttpStatusCode.OK, (await EventAsync(run, "OOMKilled")).Status);
        Assert.Equal("OOMKilled", (await ViewAsync(run))["attempts"]![0]!["events"]![0]!["reason"]!.GetValue<string>());
        Assert.Equal("u1", (await ViewAsync(run))["attempts"]![0]!["pod"]!["uid"]!.GetValue<string>());
    }
}
