using System.Net;
using System.Threading.Channels;
using Lanyard.Cli.Runner.Clouds;
using Lanyard.Cli.Runner.Endpoint;
using Lanyard.Cli.Runner.Logs;
using Lanyard.Protocol.Runs;
using Lanyard.Testing;
using Lanyard.Testing.Runs;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Clouds;

/// <summary>SDKs give the container-credentials endpoint one second, and some ask it once: whatever STS does, whoever asks is answered at once.</summary>
[Line("5.3")]
public sealed class AwsCredentialsTests : IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(120);
    private static readonly TimeSpan Life = TimeSpan.FromMinutes(15);

    /// <summary>To the moment of the renewal and not beyond: its own limit begins there.</summary>
    private static readonly TimeSpan Half = Life / 2;
    private readonly ManualTime _time = new();
    private readonly string _logFile = Path.GetTempFileName();
    private readonly Channel<TaskCompletionSource<HttpResponseMessage>> _asked = Channel.CreateUnbounded<TaskCompletionSource<HttpResponseMessage>>();
    private readonly CancellationTokenSource _stop = new();
    private AttemptLog _log = null!;
    private HttpClient _http = null!;
    private AwsCredentials _aws = null!;
    private Task _loop = null!;

    public ValueTask InitializeAsync()
    {
        File.Delete(_logFile);
        _log = new AttemptLog(_logFile, 1 << 20);
        _http = new HttpClient(new StubHandler(AnswerAsync));
        var exchange = new IdentityTokenExchange(_http, Payloads.Of() with { Issuer = "https://issuer" }, _log, _time);
        _aws = new AwsCredentials(new AwsEndpointPayload("sts.amazonaws.com", "arn:aws:iam::1:role/a", "run", "https://sts/"), exchange, _http, _log, _time);
        _loop = _aws.KeepFreshAsync(_stop.Token);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop.WaitAsync(Deadline);
        _log.Dispose();
        _http.Dispose();
        _stop.Dispose();
        File.Delete(_logFile);
    }

    [Fact]
    public async Task The_first_step_waits_for_the_keys_and_whoever_asks_then_waits_for_nothing()
    {
        var settled = _aws.SettleAsync(default);
        var sts = await NextAsync();
        Assert.False(settled.IsCompleted);

        sts.SetResult(Keys("one"));
        await settled.WaitAsync(Deadline);

        Assert.Equal("one", AtOnce().Value.SecretAccessKey);
        await AdvanceAsync(Half);
        var renewal = await NextAsync();
        Assert.Equal("one", AtOnce().Value.SecretAccessKey);
        renewal.SetResult(Keys("two"));
        await Eventually.HoldsAsync(() => Task.FromResult(AtOnce().Value.SecretAccessKey == "two"), "the renewed keys are given", Deadline);
    }

    [Fact]
    public async Task A_slow_sts_delays_the_step_by_a_bound_and_its_keys_are_given_when_they_come()
    {
        var settled = _aws.SettleAsync(default);
        var sts = await NextAsync();
        var asked = _aws.GetAsync(default);

        await AdvanceAsync(AwsCredentials.LongestStart);
        await settled.WaitAsync(Deadline);
        Assert.False(asked.IsCompleted);
        sts.SetResult(Keys("late"));

        Assert.Equal("late", (await asked.WaitAsync(Deadline)).Value.SecretAccessKey);
    }

    [Fact]
    public async Task A_refusal_is_heard_at_once_by_everybody_and_sts_is_asked_again_only_for_who_wants_keys()
    {
        (await NextAsync()).SetResult(Refused());
        await _aws.SettleAsync(default).WaitAsync(Deadline);

        for (var index = 0; index < 20; index++) Assert.Equal("STS says AccessDenied: not you", AtOnce().Refusal.Detail);
        Assert.False(_asked.Reader.TryRead(out _));

        await AdvanceAsync(TimeSpan.FromSeconds(6));
        var second = await NextAsync();
        Assert.Equal("STS says AccessDenied: not you", AtOnce().Refusal.Detail);
        second.SetResult(Keys("allowed"));
        await Eventually.HoldsAsync(() => Task.FromResult(!AtOnce().IsRefused), "the role that trusts the run by now is assumed", Deadline);
    }

    /// <summary>An STS that could not fetch our keys, at the first try of a day, says so with 400: a step that began now would find no keys.</summary>
    [Theory]
    [InlineData(HttpStatusCode.BadRequest, "IDPCommunicationError")]
    [InlineData(HttpStatusCode.BadRequest, "Throttling")]
    [InlineData(HttpStatusCode.TooManyRequests, "RequestLimitExceeded")]
    public async Task An_sts_that_could_not_ask_our_issuer_is_asked_again_before_the_first_step(HttpStatusCode status, string code)
    {
        var settled = _aws.SettleAsync(default);
        (await NextAsync()).SetResult(new HttpResponseMessage(status) { Content = new StringContent($"<e><Code>{code}</Code><Message>later</Message></e>") });
        TaskCompletionSource<HttpResponseMessage>? again = null;
        await Eventually.HoldsAsync(
            () =>
            {
                _time.Advance(TimeSpan.FromSeconds(0.25));
                return Task.FromResult(_asked.Reader.TryRead(out again));
            },
            "STS is asked again",
            Deadline);
        Assert.False(settled.IsCompleted);

        again!.SetResult(Keys("second"));
        await settled.WaitAsync(Deadline);

        Assert.Equal("second", AtOnce().Value.SecretAccessKey);
    }

    [Fact]
    public async Task An_sts_that_is_away_is_said_at_once_and_the_last_keys_are_given_only_while_they_live()
    {
        (await NextAsync()).SetResult(Keys("one"));
        await _aws.SettleAsync(default).WaitAsync(Deadline);
        var expires = _time.GetUtcNow() + Life;
        await AdvanceAsync(Half);
        (await NextAsync()).SetResult(new HttpResponseMessage(HttpStatusCode.ServiceUnavailable) { Content = new StringContent("<e><Code>Busy</Code><Message>later</Message></e>") });
        Assert.Equal("one", AtOnce().Value.SecretAccessKey);

        await Eventually.HoldsAsync(
            () =>
            {
                _time.Advance(TimeSpan.FromSeconds(30));
                return Task.FromResult(AtOnce().IsRefused);
            },
            "keys that have ended are not given",
            Deadline);
        Assert.True(_time.GetUtcNow() >= expires);
    }

    [Fact]
    public async Task An_attempt_that_ends_before_sts_has_answered_leaves_nobody_waiting()
    {
        await NextAsync();
        var asked = _aws.GetAsync(default);

        await _stop.CancelAsync();

        Assert.True((await asked.WaitAsync(Deadline)).IsRefused);
    }

    private Identity.Outcome<AwsSessionKeys> AtOnce()
    {
        var answer = _aws.GetAsync(default);
        Assert.True(answer.IsCompletedSuccessfully, "whoever asks waits");
        return answer.Result;
    }

    private async Task<TaskCompletionSource<HttpResponseMessage>> NextAsync() => await _asked.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(Deadline);

    /// <summary>Once the loop sleeps, or waits for STS with a limit.</summary>
    private async Task AdvanceAsync(TimeSpan by)
    {
        await Eventually.HoldsAsync(() => Task.FromResult(_time.TimerCount > 0), "somebody waits for the clock", Deadline);
        _time.Advance(by);
    }

    private Task<HttpResponseMessage> AnswerAsync(HttpRequestMessage request)
    {
        if (request.RequestUri!.Host == "issuer")
        {
            return Task.FromResult(new HttpResponseMessage { Content = new StringContent("""{"access_token":"aaaaaaaa.bbbbbbbb.cccccccc","token_type":"N_A","issued_token_type":"urn:ietf:params:oauth:token-type:id_token","expires_in":600}""") });
        }

        var sts = new TaskCompletionSource<HttpResponseMessage>(TaskCreationOptions.RunContinuationsAsynchronously);
        _asked.Writer.TryWrite(sts);
        return sts.Task;
    }

    private HttpResponseMessage Keys(string secret) => new()
    {
        Content = new StringContent(
            $"<a><Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken>session</SessionToken>"
            + $"<Expiration>{_time.GetUtcNow() + Life:yyyy-MM-dd'T'HH:mm:ss'Z'}</Expiration></Credentials></a>"),
    };

    private static HttpResponseMessage Refused() => new(HttpStatusCode.Forbidden) { Content = new StringContent("<e><Code>AccessDenied</Code><Message>not you</Message></e>") };
}
