namespace Lanyard.Protocol.Aws;

/// <summary>A role's keys for a while. Kept in memory only.</summary>
public sealed record AwsCredentials(string AccessKeyId, string SecretAccessKey, string? SessionToken, DateTimeOffset? Expires = null)
{
    /// <summary>No part of it belongs in a log.</summary>
    public override string ToString() => "AwsCredentials";
}
