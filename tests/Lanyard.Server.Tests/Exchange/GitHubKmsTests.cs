using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Lanyard.Identity;
using Lanyard.Identity.Jose;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Exchange;
using Lanyard.Testing;
using Lanyard.Testing.Aws;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Server.Tests.Exchange;

/// <summary>The key of a GitHub App that stays in AWS KMS: the server is there by its own identity token, and GitHub takes what KMS signed.</summary>
[Line("6.6")]
public sealed class GitHubKmsTests : IAsyncLifetime
{
    private const string Server = "system:serviceaccount:lanyard:server";
    private static readonly Dictionary<string, string> Read = new() { ["contents"] = "read" };
    private readonly RSA _key = RSA.Create(2048);
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-kms-").FullName;
    private readonly Dictionary<string, string?> _environment = [];
    private readonly GitHubTokens _tokens = new(TimeProvider.System);
    private TestIssuer _issuer = null!;
    private AwsDouble _aws = null!;
    private AwsKms _kms = null!;

    public async ValueTask InitializeAsync()
    {
        _issuer = await TestIssuer.StartAsync();
        _issuer.OnRequest = AsGitHubAsync;
        _aws = await AwsDouble.StartAsync(_issuer, Server);
        _aws.Kms = message => _key.SignData(message, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        _environment["AWS_ENDPOINT_URL"] = _aws.Url;
        _environment["AWS_ROLE_ARN"] = AwsDouble.Role;
        _environment["AWS_WEB_IDENTITY_TOKEN_FILE"] = Path.Combine(_folder, "token");
        Be(Server);
        _kms = new AwsKms(name => _environment.GetValueOrDefault(name), TimeProvider.System);
    }

    public async ValueTask DisposeAsync()
    {
        _kms.Dispose();
        _tokens.Dispose();
        await _aws.DisposeAsync();
        await _issuer.DisposeAsync();
        _key.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task What_KMS_signed_by_the_servers_own_identity_is_taken_by_GitHub_and_the_role_is_kept_for_the_next()
    {
        Assert.Equal("ghs_kms", (await MintAsync()).Value.Token);
        Assert.Equal("ghs_kms", (await MintAsync()).Value.Token);
        // Fifteen minutes of a role are long enough for both.
        Assert.Equal(["lanyard"], _aws.SessionNames);
    }

    [Theory]
    [InlineData("the key is not there", "NotFoundException")]
    [InlineData("the server is somebody else", "STS gives no credentials")]
    [InlineData("it has no token", "FileNotFoundException")]
    [InlineData("KMS is not where it is said to be", "must be https")]
    public async Task Without_a_signature_nothing_is_asked_of_GitHub_and_the_cause_is_told(string trouble, string cause)
    {
        _issuer.OnRequest = static _ => throw new InvalidOperationException("GitHub was asked");
        if (trouble == "the key is not there") _aws.Kms = null;
        if (trouble == "the server is somebody else") Be("system:serviceaccount:other:server");
        if (trouble == "it has no token") File.Delete(Path.Combine(_folder, "token"));
        if (trouble == "KMS is not where it is said to be") _environment["AWS_ENDPOINT_URL_KMS"] = "http://kms.example";

        var refusal = (await MintAsync()).Refusal;
        Assert.Equal(RefusalReason.Unavailable, refusal.Reason);
        Assert.Contains(cause, refusal.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("arn:aws:kms:eu-central-1:123456789012:alias/github/app", "eu-central-1")]
    [InlineData("arn:aws-cn:kms:cn-north-1:123456789012:key/mrk-1", "cn-north-1")]
    [InlineData("arn:aws:kms:evil.example/x:123456789012:key/1", null)]
    [InlineData("arn:aws:kms:eu-central-1:123456789012:key/1\n", null)]
    [InlineData("arn:aws:s3:eu-central-1:123456789012:key/1", null)]
    [InlineData("1234abcd", null)]
    public void A_key_is_named_by_its_whole_ARN(string arn, string? region) => Assert.Equal(region, AwsKms.RegionOf(arn));

    private Task<Outcome<GitHubToken>> MintAsync()
    {
        var file = Path.Combine(_folder, "apps.json");
        File.WriteAllText(file, $$"""{"apps":[{"name":"main","clientId":"Iv1.app","kmsKey":"{{AwsDouble.KmsKey}}","apiUrl":"{{_issuer.Issuer}}"}]}""");
        return _tokens.MintAsync(GitHubApps.Load(file, _kms).Find(null)!, ["acme/app"], Read, CancellationToken.None);
    }

    private void Be(string subject) => File.WriteAllText(Path.Combine(_folder, "token"), _issuer.Mint(AwsDouble.Audience, subject) + "\n");

    private async Task<bool> AsGitHubAsync(HttpContext context)
    {
        var path = context.Request.Path.Value!;
        if (!path.StartsWith("/repos/", StringComparison.Ordinal) && !path.StartsWith("/app/", StringComparison.Ordinal)) return false;
        using var key = SigningKey.FromPem(_key.ExportPkcs8PrivateKeyPem()).Value;
        var verified = CompactJws.Verify(context.Request.Headers.Authorization.ToString()["Bearer ".Length..], KeySet.Of(key.Public));
        var claims = verified.IsRefused ? null : JsonNode.Parse(verified.Value);
        context.Response.StatusCode = (string?)claims?["iss"] != "Iv1.app" ? 401 : path.StartsWith("/app/", StringComparison.Ordinal) ? 201 : 200;
        await context.Response.WriteAsync(path.StartsWith("/repos/", StringComparison.Ordinal) ? """{"id":42}""" : $$"""{"token":"ghs_kms","expires_at":"{{TimeProvider.System.GetUtcNow().AddHours(1):yyyy-MM-ddTHH:mm:ssZ}}"}""");
        return true;
    }
}
