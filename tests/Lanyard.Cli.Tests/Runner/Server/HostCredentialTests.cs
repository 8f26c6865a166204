using Lanyard.Cli.Runner;
using Lanyard.Cli.Runner.Server;
using Lanyard.Identity.Jose;
using Lanyard.Protocol.OAuth;
using Lanyard.Testing;
using Lanyard.Testing.Runs;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Server;

[Line("2.8")]
public sealed class HostCredentialTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-key-").FullName;
    private readonly ManualTime _time = new();
    private FakeControlPlane _plane = null!;
    private HttpClient _http = null!;
    private HostKey _key = null!;

    public async ValueTask InitializeAsync()
    {
        _plane = await FakeControlPlane.StartAsync();
        _http = RunnerHttp.Create(_plane.Url, null);
        _key = HostKey.Open(Path.Combine(_folder, "key.pem"), _time).Value;
    }

    public async ValueTask DisposeAsync()
    {
        _key.Dispose();
        _http.Dispose();
        await _plane.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task An_api_token_is_got_once_and_renewed_when_a_fifth_of_its_life_is_left()
    {
        using var credential = ApiTokenCredential.ForKey(_key, _http, _plane.Url, _time);

        var first = await Task.WhenAll(Enumerable.Range(0, 20).Select(async _ => (await credential.GetAsync(default)).Value));
        _time.Advance(TimeSpan.FromSeconds(479));
        Assert.Equal("api-token-1", (await credential.GetAsync(default)).Value);
        _time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal("api-token-2", (await credential.GetAsync(default)).Value);
        Assert.Single(first.Distinct());
        var form = _plane.Logins.ClientAssertions.First();
        Assert.Equal((OAuthNames.GrantClientCredentials, OAuthNames.ClientAssertionJwtBearer), (form["grant_type"], form["client_assertion_type"]));
        Assert.Equal(2, _plane.Logins.ClientAssertions.Select(each => each["client_assertion"]).Distinct().Count());
    }

    [Fact]
    public async Task A_token_that_the_server_refused_is_not_used_again()
    {
        using var credential = ApiTokenCredential.ForKey(_key, _http, _plane.Url, _time);
        credential.Refused((await credential.GetAsync(default)).Value);

        Assert.Equal("api-token-2", (await credential.GetAsync(default)).Value);
        credential.Refused("api-token-1");
        Assert.Equal("api-token-2", (await credential.GetAsync(default)).Value);
    }

    [Fact]
    public async Task A_key_that_gets_no_token_is_a_refusal_and_not_remembered()
    {
        using var credential = ApiTokenCredential.ForKey(_key, _http, _plane.Url, _time);
        _plane.Logins.ApiTokenSeconds = 0;
        Assert.True((await credential.GetAsync(default)).IsRefused);
        _plane.Logins.ApiTokenSeconds = 600;

        Assert.False((await credential.GetAsync(default)).IsRefused);
    }

    [Fact]
    public async Task A_host_asks_again_until_it_is_approved_and_sends_its_public_key_only()
    {
        _plane.Logins.PendingRegistrations = 2;
        var left = 1;
        _plane.FaultOf = name => name == "request" && Interlocked.Exchange(ref left, 0) == 1 ? Fault.Unavailable : Fault.None;
        var settings = new RunnerSettings(_plane.Url, _folder, Name: "build-7");
        using var key = HostKey.Open(Path.Combine(_folder, "key.pem"), TimeProvider.System).Value;

        await new HostRegistration(key, _http, settings, TimeProvider.System, NullLogger.Instance)
            .WaitForApprovalAsync(default).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);

        Assert.Equal(3, _plane.Logins.Registrations.Count);
        Assert.Equal(3, _plane.Logins.Registrations.Select(each => each.Assertion).Distinct().Count());
        var sent = _plane.Logins.Registrations.First().Registration;
        Assert.Equal("build-7", sent.Name);
        Assert.False(sent.PublicKey.TryGetProperty("d", out _));
        Assert.Equal(key.Fingerprint, VerificationKey.FromJwk(sent.PublicKey).Value.Thumbprint);
    }
}
