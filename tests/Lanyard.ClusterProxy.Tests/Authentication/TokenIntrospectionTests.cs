using System.Collections.Concurrent;
using Lanyard.ClusterProxy.Authentication;
using Lanyard.ClusterProxy.Impersonation;
using Lanyard.Identity;
using Lanyard.Identity.Tokens;
using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Authentication;

/// <summary>An issuer that is asked about each of its tokens: what it ended is refused although signature and time are good.</summary>
[Line("6.5")]
public sealed class TokenIntrospectionTests : IAsyncLifetime
{
    private const string Audience = "k8s";
    private readonly string _bearer = Path.GetTempFileName();
    private readonly ManualTime _time = new();
    private readonly ConcurrentQueue<string> _asked = [];
    private string _answer = """{"active":true}""";
    private int _status = 200;
    private TaskCompletionSource? _hold;
    private TestIssuer _issuer = null!;
    private TestIssuer _other = null!;
    private TokenIntrospection _introspection = null!;
    private TokenAuthentication _proxy = null!;

    public async ValueTask InitializeAsync()
    {
        (_issuer, _other) = (await TestIssuer.StartAsync(_time), await TestIssuer.StartAsync(_time));
        foreach (var issuer in (TestIssuer[])[_issuer, _other]) issuer.OnRequest = AnswerAsync;
        await File.WriteAllTextAsync(_bearer, "own-token\n");
        _introspection = new TokenIntrospection(new IntrospectionOptions([_issuer.Issuer], _bearer, null), _time);
        JwtAuthenticator Known(TestIssuer issuer) => new(JwtAuthenticatorReader.Record(issuer.Issuer, [Audience]), new("sub", ""), null, null);
        _proxy = new TokenAuthentication(
            new TokenVerifier(_time), (record, _, _) => new(record.Issuer == _issuer.Issuer ? _issuer.Keys : _other.Keys), new([Known(_issuer), Known(_other)], null, ReservedNames.None), _time, _introspection);
    }

    public async ValueTask DisposeAsync()
    {
        _introspection.Dispose();
        await _issuer.DisposeAsync();
        await _other.DisposeAsync();
        File.Delete(_bearer);
    }

    [Fact]
    public async Task A_token_is_taken_only_while_its_issuer_says_that_it_is_active_however_often_it_came_before()
    {
        var token = _issuer.Mint(Audience);
        for (var i = 0; i < 4; i++) Assert.False((await AuthenticateAsync(token)).IsRefused);
        Assert.Equal([$"Bearer own-token {token}"], _asked);

        _answer = """{"active":false}""";
        _time.Advance(TokenIntrospection.Life);
        Assert.Equal(RefusalReason.Revoked, (await AuthenticateAsync(token)).Refusal.Reason);
        Assert.Equal(RefusalReason.Revoked, (await AuthenticateAsync(_issuer.Mint(Audience, "another"))).Refusal.Reason);
        Assert.Equal(3, _asked.Count);
        // A second is what was promised, with half of it for the server's replicas.
        Assert.InRange(TokenIntrospection.Life, TimeSpan.Zero, TimeSpan.FromSeconds(0.5));
    }

    [Fact]
    public async Task Who_is_refused_anyhow_and_who_is_another_issuers_is_not_asked_about()
    {
        _answer = """{"active":false}""";
        Assert.False((await AuthenticateAsync(_other.Mint(Audience))).IsRefused);
        Assert.True((await AuthenticateAsync(_issuer.Mint("elsewhere"))).IsRefused);
        Assert.True((await AuthenticateAsync(_issuer.Mint(Audience)[..^4] + "AAAA")).IsRefused);
        Assert.Empty(_asked);
    }

    [Theory]
    [InlineData(401, """{"error":"invalid_client"}""")]
    [InlineData(500, "")]
    [InlineData(302, """{"active":true}""")]
    [InlineData(200, "")]
    [InlineData(200, "{}")]
    [InlineData(200, """{"active":"true"}""")]
    [InlineData(200, "[true]")]
    public async Task Whoever_gets_no_answer_lets_nobody_in_and_asks_again(int status, string answer)
    {
        (_status, _answer) = (status, answer);
        var token = _issuer.Mint(Audience);
        Assert.Equal(RefusalReason.Unavailable, (await AuthenticateAsync(token)).Refusal.Reason);

        (_status, _answer) = (200, """{"active":true}""");
        _time.Advance(TokenIntrospection.Life);
        Assert.False((await AuthenticateAsync(token)).IsRefused);
        File.Delete(_bearer);
        _time.Advance(TokenIntrospection.Life);
        Assert.Equal(RefusalReason.Unavailable, (await AuthenticateAsync(token)).Refusal.Reason);
    }

    [Fact]
    public async Task However_many_come_at_once_with_one_token_its_issuer_is_asked_once_and_one_that_leaves_takes_nothing_from_the_others()
    {
        _hold = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var token = _issuer.Mint(Audience);
        using var leaves = new CancellationTokenSource();
        var gone = AuthenticateAsync(token, leaves.Token);
        var waiting = Enumerable.Range(0, 50).Select(_ => AuthenticateAsync(token)).ToList();
        await leaves.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => gone);
        _hold.SetResult();

        Assert.All(await Task.WhenAll(waiting), static outcome => Assert.False(outcome.IsRefused));
        Assert.Single(_asked);
    }

    private Task<Outcome<ImpersonationHeaders>> AuthenticateAsync(string token, CancellationToken cancellation = default) =>
        _proxy.AuthenticateAsync(new BearerToken(token, .., TokenHash.Of(token), null), cancellation).AsTask();

    private async Task<bool> AnswerAsync(HttpContext context)
    {
        if (context.Request.Path != "/introspect") return false;
        _asked.Enqueue($"{context.Request.Headers.Authorization} {(await context.Request.ReadFormAsync())["token"]}");
        await (_hold?.Task ?? Task.CompletedTask);
        context.Response.StatusCode = _status;
        context.Response.Headers.Location = "https://elsewhere.example";
        await context.Response.WriteAsync(_answer);
        return true;
    }
}
