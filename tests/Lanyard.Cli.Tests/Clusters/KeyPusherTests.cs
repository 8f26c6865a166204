using System.Text.Json.Nodes;
using Lanyard.Cli.Clusters;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Cli.Tests.Clusters;

/// <summary>When a private cluster's keys are pushed, and under what: a rotation in each order that a cluster may do it in.</summary>
[Line("2.3")]
public sealed class KeyPusherTests : IAsyncLifetime
{
    private const string Audience = "https://lanyard.example/keys";
    private readonly ManualTime _time = new();
    private readonly List<(string Bearer, string? Proof)> _pushes = [];
    private readonly Queue<string?> _answers = new();
    private TestIssuer _cluster = null!;
    private string _token = "";
    private KeyPusher _pusher = null!;

    public async ValueTask InitializeAsync()
    {
        _cluster = await TestIssuer.StartAsync(_time);
        _token = Token();
        _pusher = new KeyPusher(_ => Task.FromResult(JsonNode.Parse(_cluster.Jwks)!.AsObject()), (_, _) => Task.FromResult(_token), PushAsync, _time);
    }

    public ValueTask DisposeAsync() => _cluster.DisposeAsync();

    [Fact]
    public async Task Keys_are_pushed_at_the_start_and_then_once_an_hour()
    {
        await LookAsync("accepted");
        for (var minute = 0; minute < 59; minute++)
        {
            _time.Advance(TimeSpan.FromMinutes(1));
            Assert.Null(await _pusher.LookAsync(default));
        }

        _time.Advance(TimeSpan.FromMinutes(1));
        await LookAsync("accepted");
        Assert.Equal([(_token, null), (_token, null)], _pushes);
    }

    [Fact]
    public async Task A_rotated_key_is_announced_under_the_last_token_that_was_taken_and_proven_by_the_first_of_the_new_key()
    {
        await LookAsync("accepted");
        var renewed = _token = Token();
        Assert.Null(await _pusher.LookAsync(default));
        _cluster.Rotate();

        await LookAsync("pending");
        Assert.Null(await _pusher.LookAsync(default));
        _token = Token();
        await LookAsync("accepted");
        Assert.Null(await _pusher.LookAsync(default));

        Assert.Equal([(renewed, null), (renewed, _token)], _pushes.Skip(1));
    }

    [Fact]
    public async Task A_key_that_was_rotated_before_the_next_look_is_announced_and_proven_at_once()
    {
        await LookAsync("accepted");
        var held = _token;
        _cluster.Rotate();
        _token = Token();

        await LookAsync("accepted");

        Assert.Equal((held, _token), _pushes[^1]);
    }

    [Fact]
    public async Task What_waits_for_an_admin_is_said_again_every_ten_minutes_and_with_the_new_key_alone_when_the_old_token_is_dead()
    {
        await LookAsync("accepted");
        var held = _token;
        _cluster.Rotate();
        _token = Token();
        await LookAsync("awaiting-approval");
        _time.Advance(TimeSpan.FromMinutes(9));
        Assert.Null(await _pusher.LookAsync(default));

        _time.Advance(TimeSpan.FromMinutes(1));
        await LookAsync(null, "accepted");

        Assert.Equal([(held, _token), (held, _token), (_token, null)], _pushes.Skip(1));
        Assert.Null(await _pusher.LookAsync(default));
    }

    [Fact]
    public async Task A_push_that_did_not_arrive_is_made_again_with_the_next_look()
    {
        await LookAsync("accepted");
        _cluster.Rotate();
        _answers.Clear();
        await Assert.ThrowsAsync<HttpRequestException>(() => _pusher.LookAsync(default));

        await LookAsync("pending");
    }

    [Fact]
    public async Task A_refused_push_is_not_repeated_with_each_look()
    {
        await LookAsync([null]);
        Assert.Null(await _pusher.LookAsync(default));
        Assert.Single(_pushes);
    }

    private async Task LookAsync(params string?[] answers)
    {
        foreach (var answer in answers) _answers.Enqueue(answer);
        Assert.Equal(answers[^1], (await _pusher.LookAsync(default))!.State);
        Assert.Empty(_answers);
    }

    private string Token() => _cluster.Mint(Audience, "system:serviceaccount:lanyard:keys");

    private Task<PushAnswer> PushAsync(string bearer, JsonObject body, CancellationToken cancellationToken)
    {
        if (!_answers.TryDequeue(out var state)) throw new HttpRequestException("no network");
        _pushes.Add((bearer, body["proof"]?.GetValue<string>()));
        return Task.FromResult(new PushAnswer(state, "words"));
    }
}
