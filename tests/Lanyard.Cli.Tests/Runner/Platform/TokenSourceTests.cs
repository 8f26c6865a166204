using Lanyard.Cli.Runner.Platform;
using Lanyard.Identity;
using Lanyard.Identity.Tokens;
using Lanyard.Testing;
using Lanyard.Testing.Platforms;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Platform;

/// <summary>What a host's platform says of it, asked as the platform's own tools ask, of doubles that are as strict as the originals.</summary>
[Line("5.2")]
public sealed class TokenSourceTests : IAsyncLifetime
{
    private const string Audience = "https://lanyard.example";
    private readonly Dictionary<string, string?> _environment = [];
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-source-").FullName;
    private TestIssuer _issuer = null!;

    public async ValueTask InitializeAsync() => _issuer = await TestIssuer.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await _issuer.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task AWS_gives_the_roles_token_for_keys_of_the_environment_of_a_container_and_of_the_instance()
    {
        await using var aws = await AwsHostDouble.StartAsync(_issuer);
        (_environment["AWS_ENDPOINT_URL_STS"], _environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"]) = (aws.Url, aws.Url);
        Assert.Equal(AwsHostDouble.Role, SubjectOf(await AwsAsync()));

        (_environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"], _environment["AWS_REGION"], _environment["AWS_EC2_METADATA_DISABLED"]) = ($"{aws.Url}/v1/credentials", AwsHostDouble.Region, "true");
        _environment["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = FileOf(AwsHostDouble.ContainerBearer + "\n");
        Assert.Equal(AwsHostDouble.Role, SubjectOf(await AwsAsync()));

        _environment.Remove("AWS_CONTAINER_CREDENTIALS_FULL_URI");
        (_environment["AWS_ACCESS_KEY_ID"], _environment["AWS_SECRET_ACCESS_KEY"], _environment["AWS_SESSION_TOKEN"]) = aws.Open();
        Assert.Equal(AwsHostDouble.Role, SubjectOf(await AwsAsync()));
        Assert.Empty(aws.Refused);
    }

    [Fact]
    public async Task What_AWS_refuses_is_a_refusal_with_its_cause_and_without_a_key()
    {
        await using var aws = await AwsHostDouble.StartAsync(_issuer);
        (_environment["AWS_ENDPOINT_URL_STS"], _environment["AWS_REGION"]) = (aws.Url, AwsHostDouble.Region);
        var (id, secret, session) = aws.Open();
        (_environment["AWS_ACCESS_KEY_ID"], _environment["AWS_SECRET_ACCESS_KEY"], _environment["AWS_SESSION_TOKEN"]) = (id, secret + "x", session);
        var wrong = (await AwsAsync()).Refusal.Detail;
        Assert.Contains("SignatureDoesNotMatch", wrong, StringComparison.Ordinal);
        Assert.DoesNotContain(secret, wrong, StringComparison.Ordinal);

        aws.IsDisabled = true;
        _environment["AWS_SECRET_ACCESS_KEY"] = secret;
        Assert.Contains("OutboundWebIdentityFederationDisabled", (await AwsAsync()).Refusal.Detail, StringComparison.Ordinal);

        _environment.Clear();
        (_environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"], aws.HasRole) = (aws.Url, false);
        Assert.Contains("no role", (await AwsAsync()).Refusal.Detail, StringComparison.Ordinal);
        _environment["AWS_EC2_METADATA_DISABLED"] = "true";
        Assert.Equal(RefusalReason.TokenMissing, (await AwsAsync()).Refusal.Reason);
    }

    [Theory]
    [InlineData("http://credentials.example/role")]
    [InlineData("http://169.254.169.254/role")]
    [InlineData("http://10.0.0.1/role")]
    [InlineData("ftp://127.0.0.1/role")]
    [InlineData("role")]
    public async Task The_bearer_of_a_containers_endpoint_goes_to_no_other_host(string uri)
    {
        (_environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"], _environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"], _environment["AWS_REGION"]) = (uri, "secret", "eu-central-1");

        Assert.Equal(RefusalReason.RequestMalformed, (await AwsAsync()).Refusal.Reason);
    }

    [Fact]
    public async Task Google_gives_the_machines_token_and_nobody_else_may_answer_in_its_place()
    {
        await using var google = await GoogleMetadataDouble.StartAsync(_issuer);
        _environment["GCE_METADATA_HOST"] = new Uri(google.Url).Authority;
        var token = await GoogleAsync();
        Assert.Equal(GoogleMetadataDouble.Subject, SubjectOf(token));
        Assert.True(UnverifiedToken.Parse(token.Value).Value.Claims.TryGet("google", out _));

        google.IsAnother = true;
        Assert.Equal(RefusalReason.TokenMalformed, (await GoogleAsync()).Refusal.Reason);
        Assert.Empty(google.Refused);
    }

    [Fact]
    public async Task Azure_gives_the_managed_identitys_token_for_the_resource_and_the_identity_that_is_meant()
    {
        await using var azure = await AzureImdsDouble.StartAsync(_issuer);
        _environment["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = azure.Url;
        Assert.Equal(AzureImdsDouble.ObjectId, SubjectOf(await AzureAsync(Audience)));

        using var other = new AzureImdsSource("api://lanyard", Environment, TimeProvider.System);
        Assert.Equal("api://lanyard", UnverifiedToken.Parse((await other.FetchAsync(default)).Value).Value.Claims.TryGetString("aud", out var audience) ? audience : "");
        Assert.Empty(azure.Refused);
    }

    [Fact]
    public async Task A_metadata_service_is_not_followed_elsewhere_and_its_answer_is_bounded()
    {
        await using var elsewhere = await TestIssuer.StartAsync();
        var calls = 0;
        elsewhere.OnRequest = _ => Task.FromResult(Interlocked.Increment(ref calls) > 0);
        Func<HttpContext, Task> answer = static _ => Task.CompletedTask;
        _issuer.OnRequest = async context =>
        {
            await answer(context);
            return true;
        };
        _environment["GCE_METADATA_HOST"] = new Uri(_issuer.Issuer).Authority;
        answer = context =>
        {
            context.Response.Redirect(elsewhere.Issuer);
            return Task.CompletedTask;
        };
        Assert.Contains("302", (await GoogleAsync()).Refusal.Detail, StringComparison.Ordinal);
        answer = async context =>
        {
            context.Response.Headers["Metadata-Flavor"] = "Google";
            await context.Response.WriteAsync(new string('a', 80 * 1024));
        };
        Assert.Equal(RefusalReason.Unavailable, (await GoogleAsync()).Refusal.Reason);
        Assert.Equal(0, calls);
    }

    [Fact]
    public async Task A_metadata_service_that_does_not_answer_is_given_up()
    {
        var time = new ManualTime();
        var asked = new TaskCompletionSource();
        _issuer.OnRequest = async context =>
        {
            asked.TrySetResult();
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
            return true;
        };
        _environment["GCE_METADATA_HOST"] = new Uri(_issuer.Issuer).Authority;
        using var source = new GoogleMetadataSource(Audience, Environment, time);
        var fetch = source.FetchAsync(default);
        await asked.Task;
        time.Advance(TimeSpan.FromSeconds(6));

        Assert.Equal(RefusalReason.Unavailable, (await fetch).Refusal.Reason);
    }

    [Fact]
    public async Task A_file_is_read_anew_each_time_and_what_is_no_token_is_none()
    {
        var file = FileOf("first\n");
        var source = new FileSource(file);
        Assert.Equal("first", (await source.FetchAsync(default)).Value);
        await File.WriteAllTextAsync(file, "second");
        Assert.Equal("second", (await source.FetchAsync(default)).Value);
        foreach (var text in (string[])["", "two words", new string('a', 17 * 1024), "a\0b"])
        {
            await File.WriteAllTextAsync(file, text);
            Assert.Equal(RefusalReason.TokenMalformed, (await source.FetchAsync(default)).Refusal.Reason);
        }

        File.Delete(file);
        Assert.Equal(RefusalReason.TokenMissing, (await source.FetchAsync(default)).Refusal.Reason);
    }

    [Fact]
    public async Task A_command_learns_the_audience_and_prints_the_token_within_its_time()
    {
        Assert.Equal($"token-for-{Audience}", (await ExecAsync("echo token-for-$LANYARD_AUDIENCE")).Value);
        Assert.Equal(RefusalReason.TokenMissing, (await ExecAsync("echo token; exit 3")).Refusal.Reason);
        Assert.Equal(RefusalReason.TokenMalformed, (await ExecAsync("true")).Refusal.Reason);
        Assert.True((await ExecAsync("yes")).IsRefused);
        Assert.DoesNotContain("token", (await ExecAsync("echo token-$LANYARD_AUDIENCE token")).Refusal.Detail.Replace("no token", "", StringComparison.Ordinal), StringComparison.Ordinal);

        var time = new ManualTime();
        var started = Path.Combine(_folder, "started");
        var slow = new ExecSource($"echo $$ > {started}; sleep 600", Audience, time);
        var fetch = slow.FetchAsync(default);
        await Eventually.HoldsAsync(() => Task.FromResult(File.Exists(started) && File.ReadAllText(started).EndsWith('\n')), "the command runs");
        time.Advance(TimeSpan.FromSeconds(31));
        Assert.Equal(RefusalReason.TokenMissing, (await fetch).Refusal.Reason);
        await Eventually.HoldsAsync(() => Task.FromResult(!Directory.Exists($"/proc/{File.ReadAllText(started).Trim()}")), "the command is gone");
    }

    [Theory]
    [InlineData("aws")]
    [InlineData("google-metadata")]
    [InlineData("azure-imds")]
    [InlineData("azure-imds", "api://lanyard")]
    [InlineData("file", "/t")]
    [InlineData("exec", "get-token --for host")]
    public void Each_source_has_its_words(params string[] words) => Assert.NotNull(TokenSourceChoice.Parse(words));

    [Theory]
    [InlineData("aws", "more")]
    [InlineData("gcp")]
    [InlineData("file")]
    [InlineData("exec")]
    [InlineData("file", "")]
    public void Other_words_are_no_source(params string[] words) => Assert.Null(TokenSourceChoice.Parse(words));

    private static string SubjectOf(Outcome<string> token) => UnverifiedToken.Parse(token.Value).Value.Claims.TryGetString("sub", out var subject) ? subject : "";

    private string? Environment(string name) => _environment.GetValueOrDefault(name);

    private string FileOf(string text)
    {
        var path = Path.Combine(_folder, Guid.NewGuid().ToString("N"));
        File.WriteAllText(path, text);
        return path;
    }

    private async Task<Outcome<string>> AwsAsync()
    {
        using var source = new AwsTokenSource(Audience, Environment, TimeProvider.System);
        return await source.FetchAsync(TestContext.Current.CancellationToken);
    }

    private async Task<Outcome<string>> GoogleAsync()
    {
        using var source = new GoogleMetadataSource(Audience, Environment, TimeProvider.System);
        return await source.FetchAsync(TestContext.Current.CancellationToken);
    }

    private async Task<Outcome<string>> AzureAsync(string resource)
    {
        using var source = new AzureImdsSource(resource, Environment, TimeProvider.System);
        return await source.FetchAsync(TestContext.Current.CancellationToken);
    }

    private async Task<Outcome<string>> ExecAsync(string command)
    {
        var source = new ExecSource(command, Audience, TimeProvider.System);
        return await source.FetchAsync(TestContext.Current.CancellationToken);
    }
}
