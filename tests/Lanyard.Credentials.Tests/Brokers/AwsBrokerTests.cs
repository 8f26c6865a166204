using System.Diagnostics;
using System.Text.Json.Nodes;
using Lanyard.Credentials.Brokers;
using Lanyard.Protocol.Aws;
using Lanyard.Testing.Aws;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Credentials.Tests.Brokers;

/// <summary>AWS's helpers against a double that verifies the pipeline's token, and in the words that its own clients read.</summary>
[Line("6.6")]
public sealed class AwsBrokerTests : BrokerTestBase
{
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
}
