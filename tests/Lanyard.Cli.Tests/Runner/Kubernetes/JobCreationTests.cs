using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Cli.Runner;
using Lanyard.Cli.Runner.Attempts;
using Lanyard.Cli.Runner.Kubernetes;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Kubernetes;

/// <summary>A runner makes the Job of an attempt on an API server that starts, says no, loses answers, or has another Job of that name.</summary>
[Line("5.1")]
public sealed class JobCreationTests : IAsyncDisposable
{
    private readonly ManualTime _time = new();
    private readonly List<(string Path, string? Uid)> _deleted = [];
    private readonly ClusterUnderTest _cluster;
    private readonly DateTimeOffset _began;
    private Func<HttpResponseMessage> _onCreate = static () => Answer(HttpStatusCode.Created, Job("j1", "rnr_ours"));
    private Func<HttpResponseMessage> _onDelete = static () => Answer(HttpStatusCode.OK, []);
    private JsonObject? _there;
    private int _asked;

    public JobCreationTests() => (_began, _cluster) = (_time.GetUtcNow(), new ClusterUnderTest(_time, OfClusterAsync));

    private static AttemptKey Key => ClusterUnderTest.Key;

    public ValueTask DisposeAsync() => _cluster.DisposeAsync();

    [Theory]
    [InlineData("""jobs.batch is forbidden: User "system:serviceaccount:lanyard:runner" cannot create resource "jobs" in API group "batch" in the namespace "builds" """)]
    [InlineData("not yet ready to handle request")]
    public async Task An_API_server_that_denies_everything_until_it_has_read_its_roles_costs_no_attempt(string message)
    {
        _onCreate = () => _asked < 4 ? Answer(HttpStatusCode.Forbidden, new JsonObject { ["message"] = message }) : Answer(HttpStatusCode.Created, Job("j1", "rnr_ours"));
        using var stop = new StopSwitch();
        var creation = Creation(stop);

        Assert.Null(await _time.PassAsync(creation.RunAsync(Job(null, "rnr_ours")), TimeSpan.FromSeconds(20)));
        Assert.Equal(("j1", 4), (creation.Uid, _asked));
    }

    [Fact]
    public async Task Who_may_not_make_Jobs_hears_it_in_the_API_servers_own_words()
    {
        _onCreate = static () => Answer(HttpStatusCode.Forbidden, new JsonObject { ["message"] = "jobs.batch is forbidden" });
        using var stop = new StopSwitch();

        var refused = await _time.PassAsync(Creation(stop).RunAsync(Job(null, "rnr_ours")), TimeSpan.FromSeconds(40));

        Assert.Equal(("runner_error", "the API server does not take the Job: jobs.batch is forbidden"), (refused!.Outcome, refused.Reason));
    }

    [Fact]
    public async Task A_quota_that_others_use_up_is_waited_for_as_long_as_a_pod_may_take_to_start()
    {
        _onCreate = () => _time.GetUtcNow() < _began.AddMinutes(5)
            ? Answer(HttpStatusCode.Forbidden, new JsonObject { ["message"] = "jobs.batch \"x\" is forbidden: exceeded quota: builds, used: count/jobs.batch=10" })
            : Answer(HttpStatusCode.Created, Job("j1", "rnr_ours"));
        using var stop = new StopSwitch();

        Assert.Null(await _time.PassAsync(Creation(stop).RunAsync(Job(null, "rnr_ours")), TimeSpan.FromMinutes(6)));
    }

    [Fact]
    public async Task What_the_API_server_said_last_is_told_when_the_time_is_over()
    {
        _onCreate = static () => Answer(HttpStatusCode.InternalServerError, new JsonObject { ["message"] = "failed calling webhook: connection refused" });
        using var stop = new StopSwitch();

        var refused = await _time.PassAsync(Creation(stop).RunAsync(Job(null, "rnr_ours")), TimeSpan.FromMinutes(11));

        Assert.Equal(("runner_error", "the API server did not take the Job within 10 minutes: failed calling webhook: connection refused"), (refused!.Outcome, refused.Reason));
    }

    [Theory]
    [InlineData("")]
    [InlineData("<html>")]
    [InlineData("{}")]
    public async Task A_Job_whose_making_was_answered_with_nothing_that_can_be_read_is_found_again(string answer)
    {
        _onCreate = () =>
        {
            var isFirst = _there is null;
            _there = Job("j8", "rnr_ours");
            return isFirst ? new HttpResponseMessage(HttpStatusCode.Created) { Content = new StringContent(answer) } : Answer(HttpStatusCode.Conflict, []);
        };
        using var stop = new StopSwitch();
        var creation = Creation(stop);

        Assert.Null(await _time.PassAsync(creation.RunAsync(Job(null, "rnr_ours")), TimeSpan.FromSeconds(20)));
        Assert.Equal("j8", creation.Uid);
    }

    [Theory]
    [InlineData(HttpStatusCode.Forbidden)]
    [InlineData(HttpStatusCode.TooManyRequests)]
    [InlineData(HttpStatusCode.InternalServerError)]
    public async Task A_Job_that_the_API_server_does_not_delete_yet_is_deleted_when_it_does(HttpStatusCode status)
    {
        var no = 3;
        _onDelete = () => no-- > 0 ? Answer(status, new JsonObject { ["message"] = "not yet" }) : Answer(HttpStatusCode.OK, []);
        var removing = new JobRemoval(Key, _cluster.Api, _cluster.Watch, _cluster.Services).RunAsync("j1", null, TestContext.Current.CancellationToken);

        await _time.PassAsync(removing.ContinueWith(static _ => 0, TaskScheduler.Default), TimeSpan.FromSeconds(25));

        Assert.Equal(4, _deleted.Count);
    }

    [Fact]
    public async Task A_Job_that_is_wrong_fails_the_run_at_once()
    {
        _onCreate = static () => Answer(HttpStatusCode.UnprocessableEntity, new JsonObject { ["message"] = "spec.template: Invalid value" });
        using var stop = new StopSwitch();

        var refused = await Creation(stop).RunAsync(Job(null, "rnr_ours"));

        Assert.Equal(("failed", 1), (refused!.Outcome, _asked));
    }

    [Fact]
    public async Task Another_Job_of_the_attempts_name_is_neither_followed_nor_deleted()
    {
        _there = Job("a-strangers", "rnr_another");
        _onCreate = static () => Answer(HttpStatusCode.Conflict, []);
        using var attempt = Attempt();

        Assert.Equal("runner_error", await _time.PassAsync(attempt.RunAsync(), TimeSpan.FromMinutes(2)));
        Assert.Contains("which is not this attempt's", _cluster.Ends.Single(), StringComparison.Ordinal);
        Assert.Empty(_deleted);
    }

    [Fact]
    public async Task A_Job_that_was_made_though_its_answer_was_lost_goes_when_the_attempt_is_canceled()
    {
        using var attempt = Attempt();
        _onCreate = () =>
        {
            _there = Job("j7", "rnr_ours");
            attempt.Stop(StopReason.Canceled);
            throw new HttpRequestException("reset");
        };

        Assert.Equal("canceled", await _time.PassAsync(attempt.RunAsync(), TimeSpan.FromMinutes(2)));
        Assert.Equal("canceled before the pod had started", _cluster.Ends.Single());
        Assert.Equal([($"/apis/batch/v1/namespaces/builds/jobs/{JobManifest.NameOf(Key)}", "j7")], _deleted);
    }

    private JobCreation Creation(StopSwitch stop) => new(Key, ClusterUnderTest.Settings, _cluster.Api, _cluster.Services, stop);

    private PodAttempt Attempt() => _cluster.Attempt(Job(null, "rnr_ours"), null);

    private static JsonObject Job(string? uid, string runner) => new()
    {
        ["metadata"] = new JsonObject
        {
            ["name"] = JobManifest.NameOf(Key),
            ["uid"] = uid,
            ["labels"] = new JsonObject { [JobManifest.RunnerLabel] = runner, [JobManifest.RunLabel] = Key.Run, [JobManifest.AttemptLabel] = "1" },
        },
    };

    private static HttpResponseMessage Answer(HttpStatusCode status, JsonObject body) => ClusterUnderTest.Answer(status, body.ToJsonString());

    private async Task<HttpResponseMessage> OfClusterAsync(HttpRequestMessage request)
    {
        if (request.Method == HttpMethod.Delete)
        {
            var options = JsonNode.Parse(await request.Content!.ReadAsStringAsync())!;
            _deleted.Add((request.RequestUri!.AbsolutePath, options["preconditions"]?["uid"]?.GetValue<string>()));
            return _onDelete();
        }

        if (request.Method == HttpMethod.Post)
        {
            _asked++;
            return _onCreate();
        }

        return _there is { } job && request.RequestUri!.AbsolutePath.EndsWith("/jobs/" + JobManifest.NameOf(Key), StringComparison.Ordinal)
            ? Answer(HttpStatusCode.OK, (JsonObject)job.DeepClone())
            : Answer(HttpStatusCode.NotFound, []);
    }
}
