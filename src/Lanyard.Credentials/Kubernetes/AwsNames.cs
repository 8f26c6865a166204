using System.Text.RegularExpressions;

namespace Lanyard.Credentials.Kubernetes;

/// <summary>The shapes of AWS names that become parts of host names and paths: strict, so that none reaches beyond its place.</summary>
internal static partial class AwsNames
{
    public static bool IsRole(string? text) => text is not null && Role().IsMatch(text);

    public static bool IsRegion(string? text) => text is not null && Region().IsMatch(text);

    public static bool IsCluster(string? text) => text is not null && Cluster().IsMatch(text);

    [GeneratedRegex(@"\Aarn:aws(-[a-z]+)*:iam::[0-9]{12}:role/[\w+=,.@/-]{1,576}\z", RegexOptions.NonBacktracking)]
    private static partial Regex Role();

    [GeneratedRegex(@"\A[a-z]{2,3}(-[a-z]+)+-[0-9]{1,2}\z", RegexOptions.NonBacktracking)]
    private static partial Regex Region();

    [GeneratedRegex(@"\A[0-9A-Za-z][0-9A-Za-z_-]{0,99}\z", RegexOptions.NonBacktracking)]
    private static partial Regex Cluster();
}
