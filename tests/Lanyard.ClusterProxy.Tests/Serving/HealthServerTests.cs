using System.Net;
using Lanyard.ClusterProxy.Serving;
using Lanyard.Identity;
using Lanyard.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Serving;

[Line("3.9")]
public sealed class HealthServerTests : IAsyncLifetime
{
    private static readonly Refusal Secretive = new(RefusalReason.SignatureInvalid, "inner detail");
    private readonly HttpClient _http = new();
    private IReadOnlyList<(string, Refusal?)> _states = [("https://a.example", null), ("https://b.example", Secretive)];
    private bool _serving = true;
    private Door _door = null!;

    public async ValueTask InitializeAsync()
    {
        _door = HealthServer.Build(new(IPAddress.Loopback, 0), () => _serving, _ => Task.FromResult(_states), () => "a_metric 1\n", NullLoggerFactory.Instance);
        await _door.OpenAsync();
        _http.BaseAddress = _door.Address;
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _door.DisposeAsync();
    }

    [Fact]
    [Line("3.1")]
    public async Task Readiness_is_told_by_issuer_and_one_issuers_outage_does_not_end_it() =>
        Assert.Equal((HttpStatusCode.OK, "[+] https://a.example ok\n[-] https://b.example keys not known\n"), await GetAsync("/readyz"));

    [Fact]
    [Line("3.1")]
    public async Task Without_the_keys_of_any_issuer_it_is_not_ready_but_alive()
    {
        _states = [("https://b.example", Secretive)];

        Assert.Equal((HttpStatusCode.ServiceUnavailable, "[-] https://b.example keys not known\n"), await GetAsync("/readyz"));
        Assert.Equal((HttpStatusCode.OK, "ok\n"), await GetAsync("/livez"));
    }

    [Fact]
    public async Task Before_it_listens_and_while_it_stops_it_is_not_ready_but_alive()
    {
        _serving = false;

        Assert.Equal((HttpStatusCode.ServiceUnavailable, "not serving\n"), await GetAsync("/readyz"));
        Assert.Equal((HttpStatusCode.OK, "ok\n"), await GetAsync("/healthz"));
    }

    [Fact]
    public async Task Metrics_are_told_here_and_need_no_token() => Assert.Equal((HttpStatusCode.OK, "a_metric 1\n"), await GetAsync("/metrics"));

    [Theory]
    [InlineData("GET", "/api", HttpStatusCode.NotFound)]
    [InlineData("GET", "/readyz/x", HttpStatusCode.NotFound)]
    [InlineData("POST", "/readyz", HttpStatusCode.MethodNotAllowed)]
    public async Task Nothing_else_is_answered(string method, string path, HttpStatusCode expected)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        using var answer = await _http.SendAsync(request, TestContext.Current.CancellationToken);

        Assert.Equal(expected, answer.StatusCode);
    }

    private async Task<(HttpStatusCode, string)> GetAsync(string path)
    {
        using var answer = await _http.GetAsync(new Uri(path, UriKind.Relative), TestContext.Current.CancellationToken);
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }
}
