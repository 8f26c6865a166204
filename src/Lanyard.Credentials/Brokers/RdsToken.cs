using System.Globalization;
using Lanyard.Protocol.Aws;

namespace Lanyard.Credentials.Brokers;

/// <summary>The password of IAM database authentication: a presigned <c>connect</c>, good for 15 minutes.</summary>
internal static class RdsToken
{
    private const int Seconds = 900;

    public static string Create(AwsCredentials credentials, string region, string host, int port, string user, DateTimeOffset now)
    {
        var authority = string.Create(CultureInfo.InvariantCulture, $"{host}:{port}");
        var query = new SigV4(credentials, region, "rds-db", now).Presign("GET", authority, "/", [new("Action", "connect"), new("DBUser", user)], [], Seconds);
        return $"{authority}/?{query}";
    }
}
