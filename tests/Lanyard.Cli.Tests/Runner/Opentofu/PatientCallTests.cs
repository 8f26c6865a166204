using System.Net;
using System.Text;
using Lanyard.Cli.Runner;
using Lanyard.Cli.Runner.Opentofu;
using Lanyard.Cli.Runner.Server;
using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Opentofu;

/// <summary>What a tool says of its state, and the plan that was approved, on their way through a server that is away, busy, or does not know the runner's new token yet.</summary>
[Line("5.6")]
public sealed class PatientCallTests : IDisposable
{
    private static readonly AttemptKey Key = new("run_01kg5q3v7he4x8s2m6n9p0r1t3", 1);
    private readonly ManualTime _time = new();
    private readonly string _token = Path.GetTempFileName();
    private readonly List<string> _bearers = [];
    private readonly HttpClient _http;
    private readonly ControlPlane _plane;
    private Func<string, HttpStatusCode> _answer = static _ => HttpStatusCode.NoContent;

    public PatientCallTests()
    {
        File.WriteAllText(_token, "first");
        _http = new HttpClient(new StubHandler(OfServerAsync)) { BaseAddress = new Uri("https://server/") };
        _plane = new ControlPlane(_http, new TokenFileCredential(_token, _time), TimeProvider.System);
    }

    public void Dispose()
    {
        _http.Dispose();
        File.Delete(_token);
    }

    /// <summary>The tool asks a few times at most, and leaves the state in a folder that is gone with the attempt.</summary>
    [Theory]
    [InlineData(HttpStatusCode.Unauthorized)]
    [InlineData(HttpStatusCode.Forbidden)]
    [InlineData(HttpStatusCode.RequestTimeout)]
    [InlineData(HttpStatusCode.TooManyRequests)]
    [InlineData(HttpStatusCode.ServiceUnavailable)]
    public async Task A_state_that_the_server_does_not_take_at_first_is_saved_all_the_same(HttpStatusCode status)
    {
        _answer = _ => _bearers.Count < 6 ? status : HttpStatusCode.NoContent;

        Assert.Equal(StatusCodes.Status200OK, await SaveAsync());
        Assert.Equal(6, _bearers.Count);
    }

    [Theory]
    [InlineData(HttpStatusCode.Locked)]
    [InlineData(HttpStatusCode.Conflict)]
    [InlineData(HttpStatusCode.Gone)]
    [InlineData(HttpStatusCode.RequestEntityTooLarge)]
    public async Task A_no_that_stays_is_the_tools_to_hear_at_once(HttpStatusCode status)
    {
        _answer = _ => status;

        Assert.Equal((int)status, await SaveAsync());
        Assert.Single(_bearers);
    }

    [Fact]
    public async Task A_server_that_stays_away_is_told_to_the_tool_after_two_minutes()
    {
        _answer = _ => HttpStatusCode.ServiceUnavailable;
        var began = _time.GetUtcNow();

        Assert.Equal(StatusCodes.Status503ServiceUnavailable, await SaveAsync());
        Assert.InRange((_time.GetUtcNow() - began).TotalSeconds, 119, 126);
    }

    /// <summary>The cluster has changed its key, and the server hears of it in a moment: until then the last token serves, for a state as for everything else.</summary>
    [Fact]
    [Line("5.2")]
    public async Task A_state_is_saved_under_the_last_token_while_the_server_does_not_know_the_newest()
    {
        Assert.Equal(StatusCodes.Status200OK, await SaveAsync());
        await File.WriteAllTextAsync(_token, "of-a-new-key", TestContext.Current.CancellationToken);
        _answer = static bearer => bearer == "first" ? HttpStatusCode.NoContent : HttpStatusCode.Unauthorized;

        Assert.Equal(StatusCodes.Status200OK, await SaveAsync());
        Assert.Equal(["first", "of-a-new-key", "first"], _bearers);
    }

    private async Task<int> SaveAsync()
    {
        var context = new DefaultHttpContext { Request = { Method = "POST", Path = "/state", QueryString = new QueryString("?ID=l1"), Body = new MemoryStream(Encoding.UTF8.GetBytes("{}")) } };
        var saving = new StateDoor(_plane, Key, _time).AnswerAsync(context);
        return await _time.PassAsync(saving.ContinueWith(_ => context.Response.StatusCode, TaskScheduler.Default), TimeSpan.FromMinutes(3));
    }

    private Task<HttpResponseMessage> OfServerAsync(HttpRequestMessage request)
    {
        var bearer = request.Headers.Authorization!.Parameter!;
        _bearers.Add(bearer);
        return Task.FromResult(new HttpResponseMessage(_answer(bearer)) { Content = new StringContent("") });
    }
}
