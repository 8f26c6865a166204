using System.Diagnostics;
using System.Text.Json.Nodes;
using Lanyard.Credentials.Aws;
using Lanyard.Credentials.Brokers;
using Lanyard.Protocol.Aws;
using Lanyard.Testing.Aws;
using Lanyard.Testing.Logins;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Credentials.Tests.Brokers;

/// <summary>Each helper against a double of its cloud that verifies the pipeline's token, and in the words that its ecosystem reads.</summary>
[Line("6.6")]
public sealed class BrokerTests : IAsyncLifetime
{
    private const string Subject = "repo:acme/app";
    private const string Registry = "123456789012.dkr.ecr.eu-central-1.amazonaws.com";
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-broker-").FullName;
    private readonly Dictionary<string, string> _environment = [];
    private TestIssuer _issuer = null!;
    private AwsDouble _aws = null!;
    private LoginDouble _login = null!;
    private string _said = "";
    private string _diagnosis = "";

    public async ValueTask InitializeAsync()
    {
        _issuer = await TestIssuer.StartAsync();
        _aws = await AwsDouble.StartAsync(_issuer, Subject);
        _login = await LoginDouble.StartAsync(_issuer, Subject);
        _environment["XDG_RUNTIME_DIR"] = _folder;
        _environment["AWS_ENDPOINT_URL"] = _aws.Url;
        _environment["AWS_ROLE_ARN"] = AwsDouble.Role;
        _environment["AWS_REGION"] = AwsDouble.Region;
        _environment["AZURE_AUTHORITY_HOST"] = _login.Url;
        _environment["VAULT_ADDR"] = _login.Url;
    }

    public async ValueTask DisposeAsync()
    {
        await _login.DisposeAsync();
        await _aws.DisposeAsync();
        await _issuer.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Credential_process_is_answered_in_its_words_and_a_second_start_asks_nobody()
    {
        Be(AwsDouble.Audience);
        Assert.Equal(0, await RunAsync("aws"));
        var first = JsonNode.Parse(_said)!;
        Assert.Equal((1, 20), (first["Version"]!.GetValue<int>(), first["AccessKeyId"]!.GetValue<string>().Length));
        Assert.True(DateTimeOffset.Parse(first["Expiration"]!.GetValue<string>(), System.Globalization.CultureInfo.InvariantCulture) > TimeProvider.System.GetUtcNow());

        Assert.Equal(0, await RunAsync("aws"));
        Assert.Equal(first.ToJsonString(), JsonNode.Parse(_said)!.ToJsonString());
        Assert.Single(_aws.SessionNames);
        // Who has another token, another role or no cache finds nothing.
        Be(AwsDouble.Audience);
        Assert.Equal(0, await RunAsync("aws"));
        Assert.Equal(2, _aws.SessionNames.Count);
        _environment["LANYARD_CREDENTIAL_CACHE"] = "off";
        Assert.Equal(0, await RunAsync("aws"));
        Assert.Equal(3, _aws.SessionNames.Count);
        Assert.Equal(1, await RunAsync("aws", "--role-arn", "arn:aws:iam::123456789012:role/other"));
        Assert.Contains("AccessDenied", _diagnosis, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_kept_is_readable_by_its_user_alone_and_never_longer_than_the_token_lives()
    {
        Be(AwsDouble.Audience, 55);
        Assert.Equal(0, await RunAsync("aws"));
        Assert.Equal(0, await RunAsync("aws"));
        Assert.Equal(2, _aws.SessionNames.Count);
        Be(AwsDouble.Audience, 300);
        Assert.Equal(0, await RunAsync("aws"));
        var kept = Assert.Single(Directory.EnumerateFiles(_folder, "*", SearchOption.AllDirectories));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(kept));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(Path.GetDirectoryName(kept)!));
        Assert.InRange(long.Parse(File.ReadLines(kept).First(), System.Globalization.CultureInfo.InvariantCulture), 0, TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() + 300);
        Assert.DoesNotContain(_environment["BITBUCKET_STEP_OIDC_TOKEN"], await File.ReadAllTextAsync(kept, TestContext.Current.CancellationToken), StringComparison.Ordinal);

        // A folder that others can look into, or a link in its place, is not used.
        File.SetUnixFileMode(Path.GetDirectoryName(kept)!, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupRead);
        Assert.Equal(0, await RunAsync("aws"));
        Assert.Equal(4, _aws.SessionNames.Count);
    }

    [Fact]
    [Needs("root")]
    public async Task A_folder_or_a_file_that_another_user_made_is_neither_written_to_nor_believed()
    {
        var folder = Path.Combine(_folder, $"lanyard-{Environment.UserName}");
        Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        await OwnAsync("65534", folder);
        Be(AwsDouble.Audience, 300);
        Assert.Equal(0, await RunAsync("aws"));
        Assert.Empty(Directory.EnumerateFiles(folder));

        await OwnAsync("0", folder);
        Assert.Equal(0, await RunAsync("aws"));
        var kept = Assert.Single(Directory.EnumerateFiles(folder));
        await OwnAsync("65534", kept);
        Assert.Equal(0, await RunAsync("aws"));
        Assert.Equal(3, _aws.SessionNames.Count);
        // It has been replaced by the user's own.
        Assert.Equal(0, await RunAsync("aws"));
        Assert.Equal(3, _aws.SessionNames.Count);
    }

    [Fact]
    public async Task Googles_executable_source_is_answered_with_the_token_and_failures_are_json_too()
    {
        _environment["GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE"] = LoginDouble.GoogleAudience;
        _environment["GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE"] = "urn:ietf:params:oauth:token-type:jwt";
        Be(LoginDouble.GoogleAudience);
        Assert.Equal(0, await RunAsync("gcp"));
        var answer = JsonNode.Parse(_said)!;
        Assert.Equal((1, true, "urn:ietf:params:oauth:token-type:jwt", _environment["BITBUCKET_STEP_OIDC_TOKEN"]), (
            answer["version"]!.GetValue<int>(), answer["success"]!.GetValue<bool>(), answer["token_type"]!.GetValue<string>(), answer["id_token"]!.GetValue<string>()));
        Assert.True(answer["expiration_time"]!.GetValue<long>() > TimeProvider.System.GetUtcNow().ToUnixTimeSeconds());

        _environment.Remove("BITBUCKET_STEP_OIDC_TOKEN");
        Assert.Equal(2, await RunAsync("gcp"));
        Assert.Equal((false, "2"), (JsonNode.Parse(_said)!["success"]!.GetValue<bool>(), JsonNode.Parse(_said)!["code"]!.GetValue<string>()));
        _environment["GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE"] = "urn:ietf:params:oauth:token-type:saml2";
        Assert.Equal(2, await RunAsync("gcp"));
    }

    [Fact]
    public async Task Entra_and_vault_are_logged_in_to_once_and_say_why_they_refuse()
    {
        Be("api://AzureADTokenExchange");
        string[] azure = ["azure", "--client-id", LoginDouble.Client, "--tenant-id", LoginDouble.Tenant];
        Assert.Equal(0, await RunAsync(azure));
        Assert.Equal(("entra-access-token", "Bearer", LoginDouble.Tenant), (
            JsonNode.Parse(_said)!["accessToken"]!.GetValue<string>(), JsonNode.Parse(_said)!["tokenType"]!.GetValue<string>(), JsonNode.Parse(_said)!["tenant"]!.GetValue<string>()));
        Assert.Equal(0, await RunAsync(azure));
        Assert.Equal(1, _login.Logins);
        Assert.Equal(1, await RunAsync("azure", "--client-id", "other", "--tenant-id", LoginDouble.Tenant));
        Assert.Contains("AADSTS700016", _diagnosis, StringComparison.Ordinal);
        Assert.Equal(2, await RunAsync("azure", "--client-id", LoginDouble.Client, "--tenant-id", "a/../b"));

        Be(_login.Url);
        Assert.Equal(0, await RunAsync("vault", "get", "--role", "deploy"));
        Assert.Equal("hvs.vault-token\n", _said);
        Assert.Equal(0, await RunAsync("vault", "--role", "deploy"));
        Assert.Equal(2, _login.Logins);
        Assert.Equal(1, await RunAsync("vault", "get", "--role", "other"));
        Assert.Contains("invalid audience", _diagnosis, StringComparison.Ordinal);
        Assert.Equal(0, await RunAsync("vault", "store"));
        Assert.Equal("", _said);
        Assert.Equal(2, await RunAsync("vault", "get", "--role", "deploy", "--address", "http://vault.example"));
    }

    [Fact]
    public async Task Dockers_helper_protocol_is_spoken_for_ecr_and_no_other_registry()
    {
        Be(AwsDouble.Audience);
        Assert.Equal(0, await RunAsync(Registry, "ecr", "get"));
        Assert.Equal($$"""{"ServerURL":"{{Registry}}","Username":"AWS","Secret":"registry-password"}""" + "\n", _said);
        Assert.Equal(0, await RunAsync(Registry + "\n", "ecr", "get"));
        Assert.Single(_aws.SessionNames);

        foreach (var other in (string[])["docker.io", "123456789012.dkr.ecr.eu-central-1.amazonaws.com.evil.example", "", "x.dkr.ecr.eu-central-1.amazonaws.com"])
        {
            Assert.Equal(1, await RunAsync(other, "ecr", "get"));
            Assert.Equal("credentials not found in native keychain\n", _said);
        }

        Assert.Equal((0, 0, 0), (await RunAsync("{}", "ecr", "store"), await RunAsync(Registry, "ecr", "erase"), await RunAsync("", "ecr", "list")));
        Assert.Equal("{}\n", _said);
        Assert.Equal(2, await RunAsync("", "ecr", "fetch"));
    }

    [Fact]
    [Line("6.9")]
    public async Task A_second_role_is_taken_on_by_the_first_and_is_who_the_cluster_sees()
    {
        string[] cluster = ["eks", "--cluster", AwsDouble.Cluster];
        Be(AwsDouble.Audience);
        Assert.Equal((0, AwsDouble.Role), (await RunAsync(cluster), await CallerAsync()));
        Be(AwsDouble.Audience);
        Assert.Equal((0, AwsDouble.SecondRole), (await RunAsync([.. cluster, "--assume-role-arn", AwsDouble.SecondRole]), await CallerAsync()));

        Be(AwsDouble.Audience);
        Assert.Equal(1, await RunAsync([.. cluster, "--assume-role-arn", AwsDouble.SecondRole + "-of-others"]));
        Assert.Contains("AccessDenied", _diagnosis, StringComparison.Ordinal);
        Assert.Equal(2, await RunAsync([.. cluster, "--assume-role-arn", "cluster"]));
    }

    /// <summary>Whom the EKS API server sees in the token that was printed.</summary>
    private async Task<string> CallerAsync()
    {
        using var handler = new HttpClientHandler { ServerCertificateCustomValidationCallback = HttpClientHandler.DangerousAcceptAnyServerCertificateValidator };
        using var http = new HttpClient(handler);
        http.DefaultRequestHeaders.Authorization = new("Bearer", JsonNode.Parse(_said)!["status"]!["token"]!.GetValue<string>());
        var answer = JsonNode.Parse(await (await http.GetAsync(new Uri(_aws.KubernetesUrl), TestContext.Current.CancellationToken)).Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!;
        return answer["caller"]?.GetValue<string>() ?? answer.ToJsonString();
    }

    /// <summary>To the byte what <c>aws rds generate-db-auth-token</c> makes of the same keys at the same second.</summary>
    [Fact]
    [Needs("aws-cli")]
    public async Task The_rds_password_is_the_aws_clis_own()
    {
        var keys = new AwsCredentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "session/token+with==");
        var start = new ProcessStartInfo("aws", ["rds", "generate-db-auth-token", "--hostname", "db.example.eu-central-1.rds.amazonaws.com", "--port", "5432", "--username", "app user", "--region", "eu-central-1"])
        {
            RedirectStandardOutput = true,
            Environment =
            {
                ["AWS_ACCESS_KEY_ID"] = keys.AccessKeyId, ["AWS_SECRET_ACCESS_KEY"] = keys.SecretAccessKey, ["AWS_SESSION_TOKEN"] = keys.SessionToken, ["AWS_CONFIG_FILE"] = "/dev/null", ["HOME"] = _folder,
            },
        };
        start.Environment.Remove("AWS_ROLE_ARN");
        using var aws = Process.Start(start)!;
        var theirs = (await aws.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken)).Trim();
        await aws.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, aws.ExitCode);
        var stamp = theirs[(theirs.IndexOf("X-Amz-Date=", StringComparison.Ordinal) + 11)..][..16];
        var at = DateTimeOffset.ParseExact(stamp, "yyyyMMdd'T'HHmmss'Z'", System.Globalization.CultureInfo.InvariantCulture, System.Globalization.DateTimeStyles.AssumeUniversal);

        var ours = RdsToken.Create(keys, "eu-central-1", "db.example.eu-central-1.rds.amazonaws.com", 5432, "app user", at);
        Assert.Equal(Sorted(theirs), Sorted(ours));
        Be(AwsDouble.Audience);
        Assert.Equal(0, await RunAsync("rds", "--hostname", "db.example.com", "--username", "app"));
        Assert.StartsWith("db.example.com:5432/?Action=connect&DBUser=app&X-Amz-", _said, StringComparison.Ordinal);
        Assert.Equal(2, await RunAsync("rds", "--hostname", "db.example.com"));
        Assert.Equal(2, await RunAsync("rds", "--hostname", "a b", "--username", "app"));
    }

    /// <summary>botocore, which is the AWS CLI's and every Python program's, starts the helper by itself.</summary>
    [Fact]
    public async Task Botocore_takes_its_credentials_from_the_helper()
    {
        Be(AwsDouble.Audience);
        var program = Repo.At("artifacts", "bin", "Lanyard.Credentials", "debug", "lanyard-credentials");
        var config = Path.Combine(_folder, "config");
        await File.WriteAllTextAsync(config, $"[profile run]\ncredential_process = {program} credential aws\n", TestContext.Current.CancellationToken);
        var start = new ProcessStartInfo("python3", ["-c", "import botocore.session as s; c=s.Session(profile='run').get_credentials().get_frozen_credentials(); print(c.access_key, len(c.token))"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["AWS_CONFIG_FILE"] = config, ["HOME"] = _folder },
        };
        foreach (var (name, value) in _environment) start.Environment[name] = value;
        using var python = Process.Start(start)!;
        var said = await python.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var wrong = await python.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await python.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.SkipWhen(wrong.Contains("No module named", StringComparison.Ordinal), "botocore is not installed");
        Assert.True(said.StartsWith("ASIA", StringComparison.Ordinal), wrong);
        Assert.Single(_aws.SessionNames);
    }

    private static string Sorted(string token) => string.Join('&', token.Split('?')[1].Split('&').Order(StringComparer.Ordinal).Prepend(token.Split('?')[0]));

    private static async Task OwnAsync(string user, string path)
    {
        using var chown = Process.Start("chown", [user, path]);
        await chown.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, chown.ExitCode);
    }

    private void Be(string audience, int seconds = 300) => _environment["BITBUCKET_STEP_OIDC_TOKEN"] =
        _issuer.Mint(audience, Subject, claims => claims["exp"] = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() + seconds);

    private Task<int> RunAsync(params string[] args) => args[0] is "aws" or "gcp" or "azure" or "vault" or "rds" or "eks" ? RunWithAsync("", args) : RunWithAsync(args[0], args[1..]);

    private async Task<int> RunWithAsync(string input, string[] args)
    {
        var (output, diagnosis) = (new StringWriter(), new StringWriter());
        using var reader = new StringReader(input);
        var code = await CredentialsProgram.RunAsync(["credential", .. args], name => _environment.GetValueOrDefault(name), output, diagnosis, reader);
        (_said, _diagnosis) = (output.ToString(), diagnosis.ToString());
        return code;
    }
}
