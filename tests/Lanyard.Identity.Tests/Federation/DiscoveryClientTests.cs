using System.Net;
using System.Net.Sockets;
using System.Text;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Identity.Tests.Federation;

[Line("2.3")]
[Line("6.5")]
public sealed class DiscoveryClientTests : IAsyncLifetime
{
    private readonly ManualTime _time = new();
    private TestIssuer _issuer = null!;

    public async ValueTask InitializeAsync() => _issuer = await TestIssuer.StartAsync(path: "/oidc/acme");

    public async ValueTask DisposeAsync() => await _issuer.DisposeAsync();

    [Fact]
    public async Task Keys_are_those_that_the_discovery_document_names()
    {
        var keys = (await FetchAsync(_issuer.Record())).Value;

        Assert.Equal(_issuer.Keys.ToJson(), keys.ToJson());
        Assert.Equal((1, 1), (_issuer.DiscoveryRequests, _issuer.KeyRequests));
    }

    [Theory]
    [InlineData("/.well-known/openid-configuration", 301)]
    [InlineData("/.well-known/openid-configuration", 302)]
    [InlineData("/jwks", 307)]
    [InlineData("/jwks", 308)]
    public async Task Redirects_are_not_followed(string path, int status)
    {
        await using var other = await TestIssuer.StartAsync(path: "/oidc/acme");
        Answers(path, context =>
        {
            context.Response.StatusCode = status;
            context.Response.Headers.Location = other.Issuer + path;
            return Task.CompletedTask;
        });

        var refusal = (await FetchAsync(_issuer.Record())).Refusal;

        Assert.Equal(RefusalReason.IssuerUnreachable, refusal.Reason);
        Assert.Contains("redirects are not followed", refusal.Detail, StringComparison.Ordinal);
        Assert.Equal((0, 0), (other.DiscoveryRequests, other.KeyRequests));
    }

    [Theory]
    [InlineData("""{"issuer":"https://issuer.example","jwks_uri":"JWKS"}""")]
    [InlineData("""{"issuer":"ISSUER/","jwks_uri":"JWKS"}""")]
    [InlineData("""{"issuer":"ISSUER","issuer":"ISSUER","jwks_uri":"JWKS"}""")]
    [InlineData("""{"issuer":["ISSUER"],"jwks_uri":"JWKS"}""")]
    [InlineData("""{"jwks_uri":"JWKS"}""")]
    [InlineData("""{"issuer":"ISSUER"}""")]
    [InlineData("""{"issuer":"ISSUER","jwks_uri":"/jwks"}""")]
    [InlineData("""{"issuer":"ISSUER","jwks_uri":"file:///etc/passwd"}""")]
    [InlineData("""{"issuer":"ISSUER","jwks_uri":"http://169.254.169.254/jwks"}""")]
    [InlineData("""{"issuer":"ISSUER","jwks_uri":"http://user:word@127.0.0.1/jwks"}""")]
    [InlineData("""{"issuer":"ISSUER","jwks_uri":"https://issuer.example/jwks"}""")]
    [InlineData("""{"issuer":"ISSUER","jwks_uri":null}""")]
    [InlineData("""["ISSUER"]""")]
    [InlineData("""{"issuer":"ISSUER","jwks_uri":"JWKS","a":[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]}""")]
    [InlineData("<html>")]
    [InlineData("")]
    public async Task A_discovery_document_that_lies_or_is_none_is_refused_before_any_keys_are_fetched(string document)
    {
        AnswersText("/.well-known/openid-configuration", document.Replace("ISSUER", _issuer.Issuer, StringComparison.Ordinal).Replace("JWKS", _issuer.JwksUrl, StringComparison.Ordinal));

        var refusal = (await FetchAsync(_issuer.Record())).Refusal;

        Assert.Equal(Stage.Issuer, refusal.Stage);
        Assert.Equal(0, _issuer.KeyRequests);
    }

    [Fact]
    public async Task An_issuer_with_a_slash_at_its_end_is_another_one()
    {
        var refusal = (await FetchAsync(_issuer.Record() with { Issuer = _issuer.Issuer + "/" })).Refusal;

        Assert.Equal(RefusalReason.KeySetMalformed, refusal.Reason);
        Assert.Equal(1, _issuer.DiscoveryRequests);
    }

    [Fact]
    public async Task Keys_on_another_host_are_fetched_only_if_the_record_names_it()
    {
        var elsewhere = _issuer.JwksUrl.Replace("127.0.0.1", "localhost", StringComparison.Ordinal);
        AnswersText("/.well-known/openid-configuration", $$"""{"issuer":"{{_issuer.Issuer}}","jwks_uri":"{{elsewhere}}"}""");

        var refusal = (await FetchAsync(_issuer.Record())).Refusal;
        Assert.Contains("another host", refusal.Detail, StringComparison.Ordinal);
        Assert.Equal(0, _issuer.KeyRequests);

        Assert.True((await FetchAsync(_issuer.Record() with { JwksHosts = [new Uri(elsewhere).Authority] })).Value.Contains(_issuer.Key.KeyId));
    }

    [Theory]
    [InlineData("""{"keys":[]}""")]
    [InlineData("""{"keys":{}}""")]
    [InlineData("""{"keys":[{"kty":"oct","k":"AAAA"}]}""")]
    [InlineData("""{"keys":[{"kty":"RSA","kid":"weak","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTY","e":"AQAB"}]}""")]
    [InlineData("[]")]
    [InlineData("{")]
    public async Task A_key_set_that_nobody_should_use_is_refused_whole(string jwks)
    {
        AnswersText("/jwks", jwks);

        Assert.Equal(Stage.Issuer, (await FetchAsync(_issuer.Record())).Refusal.Stage);
    }

    [Theory]
    [InlineData("/.well-known/openid-configuration", true)]
    [InlineData("/.well-known/openid-configuration", false)]
    [InlineData("/jwks", true)]
    [InlineData("/jwks", false)]
    public async Task More_than_a_mebibyte_is_not_read(string path, bool announced)
    {
        Answers(path, async context =>
        {
            if (announced) context.Response.ContentLength = long.MaxValue;
            var chunk = Encoding.ASCII.GetBytes(new string(' ', 64 * 1024));
            for (var i = 0; i < 1024 && !context.RequestAborted.IsCancellationRequested; i++) await context.Response.Body.WriteAsync(chunk, context.RequestAborted);
        });

        var refusal = (await FetchAsync(_issuer.Record())).Refusal;

        Assert.Equal(RefusalReason.IssuerUnreachable, refusal.Reason);
        Assert.Contains("more than 1048576 bytes", refusal.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/.well-known/openid-configuration", false)]
    [InlineData("/jwks", false)]
    [InlineData("/jwks", true)]
    public async Task An_issuer_that_does_not_come_to_an_end_is_given_up_after_five_seconds(string path, bool begins)
    {
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Answers(path, async context =>
        {
            if (begins)
            {
                await context.Response.WriteAsync("{\"keys\":");
                await context.Response.Body.FlushAsync();
            }

            asked.SetResult();
            var gone = new TaskCompletionSource();
            await using var end = context.RequestAborted.Register(gone.SetResult);
            await gone.Task;
        });

        var fetching = FetchAsync(_issuer.Record());
        await asked.Task.WaitAsync(TimeSpan.FromSeconds(120), TestContext.Current.CancellationToken);
        _time.Advance(TimeSpan.FromSeconds(5));

        var refusal = (await fetching.WaitAsync(TimeSpan.FromSeconds(120), TestContext.Current.CancellationToken)).Refusal;
        Assert.Equal(RefusalReason.IssuerUnreachable, refusal.Reason);
        Assert.Contains("5 s", refusal.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(204)]
    [InlineData(401)]
    [InlineData(404)]
    [InlineData(500)]
    public async Task Anything_but_200_is_no_answer(int status)
    {
        Answers("/jwks", context =>
        {
            context.Response.StatusCode = status;
            return Task.CompletedTask;
        });

        Assert.Equal(RefusalReason.IssuerUnreachable, (await FetchAsync(_issuer.Record())).Refusal.Reason);
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("localhost")]
    [InlineData("[::ffff:127.0.0.1]")]
    public async Task A_private_address_is_not_even_connected_to_unless_the_record_allows_it(string host)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var record = new TrustedIssuer { Id = "ti_1", Issuer = $"https://{host}:{((IPEndPoint)listener.LocalEndpoint).Port}" };

        var refusal = (await FetchAsync(record)).Refusal;

        Assert.Equal(RefusalReason.IssuerUnreachable, refusal.Reason);
        Assert.Contains("not a public address", refusal.Detail, StringComparison.Ordinal);
        Assert.False(listener.Pending(), "somebody connected");
    }

    [Fact]
    public async Task Plain_http_is_for_loopback_with_the_records_leave_only()
    {
        Assert.Equal(RefusalReason.KeySetMalformed, (await FetchAsync(_issuer.Record() with { AllowPrivateAddresses = false })).Refusal.Reason);
        Assert.Equal(RefusalReason.KeySetMalformed, (await FetchAsync(new TrustedIssuer { Id = "ti_1", Issuer = "http://10.0.0.1", AllowPrivateAddresses = true })).Refusal.Reason);
        Assert.Equal(0, _issuer.DiscoveryRequests);
    }

    [Fact]
    public async Task A_records_own_roots_are_the_only_ones_that_count_for_it()
    {
        using var certificate = TestCertificates.Create();
        using var another = TestCertificates.Create();
        await using var issuer = await TestIssuer.StartAsync(certificate: certificate);

        Assert.True((await FetchAsync(issuer.Record() with { CaBundlePem = certificate.ExportCertificatePem() })).Value.Contains(issuer.Key.KeyId));
        var refusal = (await FetchAsync(issuer.Record() with { CaBundlePem = another.ExportCertificatePem() })).Refusal;
        Assert.Equal(RefusalReason.IssuerUnreachable, refusal.Reason);
        Assert.Contains("of no authority that is trusted here; its caBundle names one to be trusted", refusal.Detail, StringComparison.Ordinal);
        Assert.Equal(RefusalReason.IssuerUnreachable, (await FetchAsync(issuer.Record())).Refusal.Reason);
        Assert.Equal(1, issuer.DiscoveryRequests);
    }

    [Fact]
    public async Task An_issuer_that_is_down_is_a_refusal_and_no_exception()
    {
        var record = _issuer.Record();
        await _issuer.DisposeAsync();

        Assert.Equal(RefusalReason.IssuerUnreachable, (await FetchAsync(record)).Refusal.Reason);
    }

    private Task<Outcome<KeySet>> FetchAsync(TrustedIssuer record) => new DiscoveryClient(_time).FetchAsync(record, TestContext.Current.CancellationToken);

    private void AnswersText(string path, string text) => Answers(path, context => context.Response.WriteAsync(text));

    private void Answers(string path, Func<HttpContext, Task> answer) => _issuer.OnRequest = async context =>
    {
        if (!context.Request.Path.Value!.EndsWith(path, StringComparison.Ordinal)) return false;
        await answer(context);
        return true;
    };
}
