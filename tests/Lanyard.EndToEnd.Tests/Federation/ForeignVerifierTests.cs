using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Lanyard.Testing.Processes;
using Lanyard.Testing.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Federation;

/// <summary>Verifiers that others wrote, in front of a service, take our identity tokens by our published keys and nobody else's.</summary>
[Line("6.8")]
public sealed class ForeignVerifierTests : IAsyncLifetime
{
    private const string Audience = "https://service.example";
    private readonly string _folder = Directory.CreateDirectory($"/var/tmp/lanyard-verifier-{Guid.NewGuid():N}").FullName;
    private readonly int _port = FreePort.Take();
    private Installation _installation = null!;
    private TestIssuer _outside = null!;
    private string _token = "";
    private string _forged = "";

    public async ValueTask InitializeAsync()
    {
        _installation = await Installation.StartAsync();
        _outside = await TestIssuer.StartAsync();
        await _installation.ApplyAsync(
            Documents.Workspace("acme"), Documents.TrustedIssuer("acme", "outside", _outside), Documents.TrustPolicy("acme", null, "ci", "outside", "ci", $"audiences: ['{Audience}']"));
        _token = await IdentityTokenAsync();
        // The same claims, signed by somebody else; and ours with one claim changed.
        using var thief = Identity.Jose.SigningKey.Generate(Identity.Jose.SignatureAlgorithm.RS256);
        var claims = System.Text.Encoding.UTF8.GetString(System.Buffers.Text.Base64Url.DecodeFromChars(_token.Split('.')[1]));
        var header = System.Text.Encoding.UTF8.GetString(System.Buffers.Text.Base64Url.DecodeFromChars(_token.Split('.')[0]));
        _forged = _outside.MintRaw(header, claims, thief);
    }

    public async ValueTask DisposeAsync()
    {
        await _outside.DisposeAsync();
        await _installation.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    [Needs("haproxy")]
    public async Task Haproxys_jwt_verify_takes_our_token_and_no_other()
    {
        var jwks = await JwksAsync();
        var jwk = jwks["keys"]!.AsArray().First(static key => (string?)key!["alg"] == "RS256")!;
        using var rsa = RSA.Create(new RSAParameters { Modulus = Bytes(jwk["n"]!), Exponent = Bytes(jwk["e"]!) });
        var pem = Path.Combine(_folder, "issuer.pem");
        await File.WriteAllTextAsync(pem, rsa.ExportSubjectPublicKeyInfoPem() + "\n", TestContext.Current.CancellationToken);
        var config = Path.Combine(_folder, "haproxy.cfg");
        await File.WriteAllTextAsync(config, $$"""
            defaults
              mode http
              timeout client 10s
              timeout server 10s
              timeout connect 10s
            frontend service
              bind 127.0.0.1:{{_port}}
              http-request set-var(txn.bearer) http_auth_bearer
              http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
              http-request deny deny_status 401 unless { var(txn.alg) -m str RS256 }
              http-request deny deny_status 401 unless { var(txn.bearer),jwt_payload_query('$.iss') -m str {{_installation.IssuerOf("acme")}} }
              http-request deny deny_status 401 unless { var(txn.bearer),jwt_payload_query('$.aud') -m str {{Audience}} }
              http-request deny deny_status 401 unless { var(txn.bearer),jwt_verify(txn.alg,"{{pem}}") -m int 1 }
              http-request set-var(txn.sub) var(txn.bearer),jwt_payload_query('$.sub')
              http-request return status 200 content-type text/plain lf-string "%[var(txn.sub)]"

            """, TestContext.Current.CancellationToken);
        await using var haproxy = ChildProcess.Start("/usr/sbin/haproxy", ["-db", "-f", config]);

        await AcceptsAsync(haproxy);
    }

    [Fact]
    [Needs("apache")]
    public async Task Apaches_mod_auth_openidc_takes_our_token_by_our_key_set_and_no_other()
    {
        using var certificate = TestCertificates.Create();
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(certificate)));
        builder.Services.AddLogging(static logging => logging.ClearProviders());
        await using var keys = builder.Build();
        var jwks = (await JwksAsync()).ToJsonString();
        // The module fetches keys by https only.
        keys.Run(async http =>
        {
            http.Response.ContentType = "application/json";
            await http.Response.WriteAsync(jwks);
        });
        await keys.StartAsync(TestContext.Current.CancellationToken);
        string[] modules = ["mpm_event", "authn_core", "authz_core", "authz_user", "auth_openidc"];
        var root = Directory.CreateDirectory(Path.Combine(_folder, "www")).FullName;
        await File.WriteAllTextAsync(Path.Combine(root, "index.html"), "hello", TestContext.Current.CancellationToken);
        var config = Path.Combine(_folder, "apache.conf");
        await File.WriteAllTextAsync(config, $$"""
            ServerRoot {{_folder}}
            PidFile {{_folder}}/apache.pid
            DefaultRuntimeDir {{_folder}}
            ServerName localhost
            {{string.Join('\n', modules.Select(static name => $"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so"))}}
            User www-data
            Group www-data
            Listen 127.0.0.1:{{_port}}
            ErrorLog {{_folder}}/apache.log
            LogLevel warn
            DocumentRoot {{root}}
            OIDCCryptoPassphrase {{Guid.NewGuid():N}}
            OIDCOAuthVerifyJwksUri {{keys.Urls.First().Replace("[::]", "127.0.0.1", StringComparison.Ordinal)}}/jwks
            OIDCOAuthSSLValidateServer Off
            OIDCOAuthRemoteUserClaim sub
            OIDCOAuthAcceptTokenAs header
            <Location />
              AuthType oauth20
              <RequireAll>
                Require claim iss:{{_installation.IssuerOf("acme")}}
                Require claim aud:{{Audience}}
              </RequireAll>
            </Location>

            """, TestContext.Current.CancellationToken);
        (await Command.RunAsync("chmod", ["-R", "a+rX", _folder])).Succeeded();
        await using var apache = ChildProcess.Start("/usr/sbin/apache2", ["-f", config, "-D", "FOREGROUND"]);

        await AcceptsAsync(apache);
    }

    private async Task AcceptsAsync(ChildProcess process)
    {
        var status = (HttpStatusCode)0;
        await Eventually.HoldsAsync(async () => (status = await AskAsync(_token)) != 0, () => $"it listens: {process.Output}{process.Errors}");
        var log = Path.Combine(_folder, "apache.log");
        Assert.True(status == HttpStatusCode.OK, $"{status} {process.Output}{process.Errors}{(File.Exists(log) ? await File.ReadAllTextAsync(log, TestContext.Current.CancellationToken) : "")}");
        var other = await IdentityTokenAsync();
        Assert.Equal(HttpStatusCode.OK, await AskAsync(other));
        foreach (var bad in (string?[])[null, _forged, _token[..^6] + "AAAAAA", _outside.Mint(Audience, "ci"), other.Split('.')[0] + "." + _forged.Split('.')[1] + "."])
            Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(bad));
        process.Signal(15);
        await process.WaitForExitAsync();
    }

    /// <returns>0: it does not listen.</returns>
    private async Task<HttpStatusCode> AskAsync(string? token)
    {
        using var http = new HttpClient();
        if (token is not null) http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        try
        {
            using var answer = await http.GetAsync(new Uri($"http://127.0.0.1:{_port}/index.html"), TestContext.Current.CancellationToken);
            return answer.StatusCode;
        }
        catch (HttpRequestException)
        {
            return 0;
        }
    }

    private async Task<string> IdentityTokenAsync()
    {
        using var http = new HttpClient();
        using var form = new FormUrlEncodedContent(
        [
            new("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"), new("subject_token", _outside.Mint(_installation.Url, "ci")),
            new("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"), new("audience", Audience),
        ]);
        using var answer = await http.PostAsync(new Uri(_installation.IssuerOf("acme") + "/token"), form, TestContext.Current.CancellationToken);
        return JsonNode.Parse(await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!["access_token"]!.GetValue<string>();
    }

    private async Task<JsonNode> JwksAsync()
    {
        using var http = new HttpClient();
        return JsonNode.Parse(await http.GetStringAsync(new Uri(_installation.IssuerOf("acme") + "/jwks"), TestContext.Current.CancellationToken))!;
    }

    private static byte[] Bytes(JsonNode text) => System.Buffers.Text.Base64Url.DecodeFromChars(text.GetValue<string>());
}
