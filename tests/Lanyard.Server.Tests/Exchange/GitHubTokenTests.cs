using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Server.Tests.Federation;
using Lanyard.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Lanyard.Server.Tests.Exchange;

/// <summary>Installation tokens of a GitHub App: what a trust policy allows, and not a repository or a permission more; git asks for them by itself.</summary>
[Line("6.6")]
public sealed class GitHubTokenTests : IAsyncLifetime
{
    private const string Path = "/v1/workspaces/acme/github-tokens";
    private readonly Lanyard.Server.Exchange.AwsKms _kms = new(static _ => null, TimeProvider.System);
    private readonly RSA _key = RSA.Create(2048);
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-github-").FullName;
    private readonly List<string> _asked = [];
    private DoorServer _server = null!;
    private TestIssuer _issuer = null!;
    private WebApplication _github = null!;
    private int _status = 201;
    private (string Name, string Value)? _header;

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(static kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        builder.Services.AddLogging(static logging => logging.ClearProviders());
        _github = builder.Build();
        _github.Run(AnswerAsync);
        await _github.StartAsync();
        var api = ((IApplicationBuilder)_github).ServerFeatures.Get<IServerAddressesFeature>()!.Addresses.Single();
        await File.WriteAllTextAsync(System.IO.Path.Combine(_folder, "key.pem"), _key.ExportRSAPrivateKeyPem());
        var apps = System.IO.Path.Combine(_folder, "apps.json");
        await File.WriteAllTextAsync(apps, $$"""{"apps":[{"name":"main","clientId":"Iv1.app","privateKeyFile":"{{_folder}}/key.pem","apiUrl":"{{api}}"}]}""");
        _server = await DoorServer.StartAsync(arguments: ["--github-apps", apps]);
        _issuer = await TestIssuer.StartAsync();
        await _server.PutAsync("/v1/workspaces/acme", "{}");
        await _server.PutAsync("/v1/workspaces/acme/trusted-issuers/ci", $$$"""{"issuer":"{{{_issuer.Issuer}}}","allowPrivateAddresses":true,"keys":{"discovery":{} } }""");
        await _server.PutAsync(
            "/v1/workspaces/acme/trust-policies/release",
            """{"issuer":"ci","claims":{"sub":"release"},"allow":{"github":{"repositories":["acme/app","acme/docs"],"permissions":{"contents":"write","issues":"read"}}}}""");
        await _server.PutAsync("/v1/workspaces/acme/trust-policies/looker", """{"issuer":"ci","claims":{"sub":"looker"},"allow":{"roles":["viewer"]}}""");
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _issuer.DisposeAsync();
        await _github.DisposeAsync();
        _key.Dispose();
        _kms.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_token_is_for_what_the_policy_allows_or_less_and_its_hash_is_in_the_audit_log()
    {
        var (status, all) = await AskAsync("release", "{}");
        Assert.Equal((HttpStatusCode.OK, "ghs_installation"), (status, all["token"]!.GetValue<string>()));
        Assert.Equal("""{"repositories":["app","docs"],"permissions":{"contents":"write","issues":"read"}}""", _asked.Last());
        await AskAsync("release", """{"repositories":["Acme/App"],"permissions":{"contents":"read"}}""");
        Assert.Equal("""{"repositories":["App"],"permissions":{"contents":"read"}}""", _asked.Last());

        var events = await _server.AuditAsync("github.token", "/v1/workspaces/acme/audit");
        Assert.Contains(TokenHash.Of("ghs_installation".AsSpan()).ToString(), events[0], StringComparison.Ordinal);
        Assert.DoesNotContain("ghs_installation", string.Join('\n', await _server.AuditAsync("")), StringComparison.Ordinal);
        // An API token of the same caller may as well; a narrowed one may not.
        var api = (await _server.ExchangeAsync("/oidc/acme/token", _issuer.Mint(_server.Url, "release"))).Json["access_token"]!.GetValue<string>();
        Assert.Equal(HttpStatusCode.OK, (await _server.SendAsync(HttpMethod.Post, Path, "{}", api)).Status);
    }

    [Theory]
    [InlineData("release", """{"repositories":["acme/other"]}""", HttpStatusCode.Forbidden)]
    [InlineData("release", """{"repositories":["acme/app","acme/other"]}""", HttpStatusCode.Forbidden)]
    [InlineData("release", """{"permissions":{"contents":"admin"}}""", HttpStatusCode.Forbidden)]
    [InlineData("release", """{"permissions":{"administration":"read"}}""", HttpStatusCode.Forbidden)]
    [InlineData("release", """{"permissions":{"contents":"root"}}""", HttpStatusCode.Forbidden)]
    [InlineData("release", """{"repositories":[]}""", HttpStatusCode.BadRequest)]
    [InlineData("release", """{"repository":"acme/app"}""", HttpStatusCode.BadRequest)]
    [InlineData("looker", "{}", HttpStatusCode.Forbidden)]
    [InlineData("stranger", "{}", HttpStatusCode.Unauthorized)]
    public async Task Whatever_is_more_is_refused_before_github_is_asked(string subject, string body, HttpStatusCode expected)
    {
        Assert.Equal(expected, (await AskAsync(subject, body)).Status);
        Assert.Empty(_asked);
    }

    [Theory]
    [InlineData(404, HttpStatusCode.Forbidden)]
    [InlineData(422, HttpStatusCode.Forbidden)]
    [InlineData(302, HttpStatusCode.ServiceUnavailable)]
    [InlineData(500, HttpStatusCode.ServiceUnavailable)]
    public async Task What_github_refuses_is_refused_and_audited(int status, HttpStatusCode expected)
    {
        _status = status;
        Assert.Equal(expected, (await AskAsync("release", "{}")).Status);
        Assert.Contains("\"refused\"", Assert.Single(await _server.AuditAsync("github.token")), StringComparison.Ordinal);
    }

    /// <summary>A limit of GitHub's comes with the status of a permission that is not there.</summary>
    [Theory]
    [InlineData(422, "X-RateLimit-Remaining", "0", HttpStatusCode.ServiceUnavailable)]
    [InlineData(403, "Retry-After", "60", HttpStatusCode.ServiceUnavailable)]
    [InlineData(422, "X-RateLimit-Remaining", "4999", HttpStatusCode.Forbidden)]
    public async Task Who_must_wait_is_not_told_that_it_may_not(int status, string header, string value, HttpStatusCode expected)
    {
        (_status, _header) = (status, (header, value));
        Assert.Equal(expected, (await AskAsync("release", "{}")).Status);
        Assert.Equal(expected == HttpStatusCode.ServiceUnavailable, (await _server.AuditAsync("github.token"))[^1].Contains("ask less often", StringComparison.Ordinal));
    }

    /// <summary>git itself, with our helper in its configuration.</summary>
    [Fact]
    public async Task Git_gets_user_and_password_for_a_repository_from_the_helper()
    {
        var program = Repo.At("artifacts", "bin", "Lanyard.Credentials", "debug", "lanyard-credentials");
        Assert.SkipUnless(File.Exists(program), "lanyard-credentials is not built");
        var start = new ProcessStartInfo("git", ["-c", "credential.helper=", "-c", $"credential.helper=!{program} credential github", "-c", "credential.useHttpPath=true", "credential", "fill"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            Environment =
            {
                ["HOME"] = _folder, ["XDG_RUNTIME_DIR"] = _folder, ["GIT_TERMINAL_PROMPT"] = "0", ["LANYARD_SERVER"] = _server.Url, ["LANYARD_WORKSPACE"] = "acme",
                ["BITBUCKET_STEP_OIDC_TOKEN"] = _issuer.Mint(_server.Url, "release"),
            },
        };
        using var git = Process.Start(start)!;
        await git.StandardInput.WriteAsync("protocol=https\nhost=github.com\npath=acme/app.git\n\n");
        git.StandardInput.Close();
        var said = await git.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await git.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.Contains("username=x-access-token\npassword=ghs_installation\n", said, StringComparison.Ordinal);
        Assert.Equal("""{"repositories":["app"],"permissions":{"contents":"write","issues":"read"}}""", _asked.Last());
    }

    [Fact]
    public void A_file_of_apps_with_mistakes_stops_the_start_and_tells_all_of_them()
    {
        var file = System.IO.Path.Combine(_folder, "bad.json");
        File.WriteAllText(file, $$"""{"apps":[{"name":"c","clientId":"x"},{"name":"d","clientId":"x","privateKeyFile":"{{_folder}}/key.pem","kmsKey":"arn:aws:kms:eu-central-1:123456789012:key/1"},{"name":"e","clientId":"x","kmsKey":"key/1"},{"name":"a","clientId":"x","privateKeyFile":"{{_folder}}/none.pem"},{"name":"b","clientId":"x","privateKeyFile":"{{_folder}}/key.pem","apiUrl":"http://github.example"}]}""");
        var wrong = Assert.Throws<InvalidOperationException>(() => Lanyard.Server.Exchange.GitHubApps.Load(file, _kms));
        Assert.Contains("a: its private key can't be read", wrong.Message, StringComparison.Ordinal);
        foreach (var mistake in (string[])["b: apiUrl must be https", "c: either privateKeyFile or kmsKey", "d: either", "e: kmsKey must be the ARN"]) Assert.Contains(mistake, wrong.Message, StringComparison.Ordinal);
        File.WriteAllText(file, """{"app":[]}""");
        Assert.Throws<InvalidOperationException>(() => Lanyard.Server.Exchange.GitHubApps.Load(file, _kms));
    }

    private Task<(HttpStatusCode Status, JsonNode Json)> AskAsync(string subject, string body) => _server.SendAsync(HttpMethod.Post, Path, body, _issuer.Mint(_server.Url, subject));

    /// <summary>As strict as GitHub: RS256 by the App's key, its client id, ten minutes at most.</summary>
    private async Task AnswerAsync(HttpContext context)
    {
        var claims = JsonNode.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(context.Request.Headers.Authorization.ToString().Split('.')[1]))!;
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        using var key = SigningKey.FromPem(_key.ExportPkcs8PrivateKeyPem()).Value;
        var good = CompactJws.Verify(context.Request.Headers.Authorization.ToString()["Bearer ".Length..], KeySet.Of(key.Public)) is { IsRefused: false }
            && claims["iss"]!.GetValue<string>() == "Iv1.app" && claims["exp"]!.GetValue<long>() - now <= 600 && claims["iat"]!.GetValue<long>() <= now && context.Request.Headers.UserAgent.Count == 1;
        var path = context.Request.Path.Value!;
        context.Response.StatusCode = !good ? 401 : path.EndsWith("/installation", StringComparison.Ordinal) ? 200 : _status;
        if (context.Response.StatusCode == 302) context.Response.Headers.Location = "https://evil.example";
        if (_header is { } header && context.Response.StatusCode == _status) context.Response.Headers[header.Name] = header.Value;
        context.Response.ContentType = "application/json";
        if (path == "/app/installations/42/access_tokens") _asked.Add(await new StreamReader(context.Request.Body).ReadToEndAsync());
        await context.Response.WriteAsync(path.EndsWith("/installation", StringComparison.Ordinal) ? """{"id":42}""" : $$"""{"token":"ghs_installation","expires_at":"{{TimeProvider.System.GetUtcNow().AddHours(1):yyyy-MM-ddTHH:mm:ssZ}}","permissions":{} }""");
    }
}
