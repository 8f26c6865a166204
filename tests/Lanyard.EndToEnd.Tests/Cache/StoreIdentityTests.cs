using System.Text;
using Lanyard.Testing;
using Lanyard.Testing.Aws;
using Lanyard.Testing.Processes;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Cache;

/// <summary>A server in a cluster of AWS keeps the cache in S3 with nothing but its own projected token.</summary>
public sealed class StoreIdentityTests
{
    private const string Account = "system:serviceaccount:lanyard:server";

    [Fact]
    [Line("4.4")]
    public async Task A_server_reaches_its_bucket_by_a_role_for_its_own_token_and_holds_no_key()
    {
        await using var cluster = await TestIssuer.StartAsync();
        await using var aws = await AwsDouble.StartAsync(cluster, Account);
        var folder = Directory.CreateDirectory($"/var/tmp/lanyard-irsa-{Guid.NewGuid():N}").FullName;
        try
        {
            var token = Path.Combine(folder, "token");
            await File.WriteAllTextAsync(token, cluster.Mint(AwsDouble.Audience, Account));
            var (data, url) = (Path.Combine(folder, "data"), $"http://127.0.0.1:{FreePort.Take()}");
            await using var server = LanyardProcess.Start(
                ["server", "--data-dir", data, "--listen", new Uri(url).Authority, "--cache-store", $"s3://bucket?endpoint={aws.Url}&region={AwsDouble.Region}"],
                new Dictionary<string, string?>
                {
                    ["AWS_ROLE_ARN"] = AwsDouble.Role, ["AWS_WEB_IDENTITY_TOKEN_FILE"] = token, ["AWS_ENDPOINT_URL_STS"] = aws.Url, ["AWS_REGION"] = AwsDouble.Region,
                    ["AWS_ACCESS_KEY_ID"] = null, ["AWS_SECRET_ACCESS_KEY"] = null, ["AWS_EC2_METADATA_DISABLED"] = "true",
                });
            await server.WaitForErrorLineAsync("ready at", TimeSpan.FromSeconds(90));
            var client = await Replica.ConnectAsync(url, data);
            var machine = await client.MachineAsync("demo/app");

            Assert.True(await client.SaveAsync(machine, "linux-1", "what was built"u8.ToArray()));

            Assert.Equal("what was built", Encoding.ASCII.GetString(await client.GetAsync((await client.LookUpAsync(machine, "linux-1")).Url)));
            Assert.Equal("what was built"u8.ToArray(), Assert.Single(aws.Bucket.Objects));
            Assert.Equal(0, aws.Bucket.Refused);
            Assert.NotEmpty(aws.SessionNames);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
