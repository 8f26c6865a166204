namespace Lanyard.Protocol.Runs;

/// <summary>
/// What an attempt's tools find their clouds by, resolved for its phase. The runner keeps token files fresh and knows nothing of clouds. Texts
/// may hold <see cref="CloudWords"/>, which the runner replaces.
/// </summary>
/// <param name="Tokens">Files that hold an identity token, rewritten at half its life.</param>
/// <param name="Files">Files that stay as they are.</param>
/// <param name="Variables">For the environment of every step.</param>
/// <param name="Aws">The runner's loopback endpoint for AWS credentials, where it is asked for.</param>
public sealed record CloudPayload(
    IReadOnlyList<CloudTokenFile> Tokens, IReadOnlyList<CloudFile> Files, IReadOnlyDictionary<string, string> Variables, AwsEndpointPayload? Aws = null);

/// <param name="Name">Of the file: <c>[a-z0-9.-]</c>.</param>
/// <param name="Format"><c>jwt</c>, or <c>exec-credential</c> (what a kubeconfig's exec command prints).</param>
public sealed record CloudTokenFile(string Name, string Audience, string Format);

public sealed record CloudFile(string Name, string Content);

/// <param name="StsUrl">Where AssumeRoleWithWebIdentity is called.</param>
public sealed record AwsEndpointPayload(string Audience, string RoleArn, string SessionName, string StsUrl);

/// <summary>What stands in a <see cref="CloudPayload"/> for what only the runner knows.</summary>
public static class CloudWords
{
    /// <summary>The folder of the files, as a step sees it.</summary>
    public const string Folder = "@{folder}";

    /// <summary>URL of the attempt's identity tokens; <c>&amp;audience=…</c> is appended to it.</summary>
    public const string TokenUrl = "@{token-url}";

    /// <summary>URL of the attempt's AWS credentials.</summary>
    public const string AwsUrl = "@{aws-url}";

    /// <summary>The attempt's bearer at both.</summary>
    public const string Bearer = "@{bearer}";
}

public static class CloudFormats
{
    public const string Jwt = "jwt";
    public const string ExecCredential = "exec-credential";
}
