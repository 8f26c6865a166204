using System.Text.Json.Serialization;
using System.Text.Json;

namespace Lanyard.Protocol.Resources;

/// <summary>Body of <c>POST /v1/workspaces/{workspace}/github-tokens</c>. Absent members: all that the policy allows.</summary>
/// <param name="Repositories">Each as <c>owner/name</c>, of one owner.</param>
public sealed record GitHubTokenRequest(IReadOnlyList<string>? Repositories = null, IReadOnlyDictionary<string, string>? Permissions = null);

/// <param name="Token">An installation token; it lives an hour at most.</param>
public sealed record GitHubToken(string Token, DateTimeOffset ExpiresAt, IReadOnlyList<string> Repositories, IReadOnlyDictionary<string, string> Permissions);

/// <summary>The file of <c>lanyard server --github-apps</c>.</summary>
public sealed record GitHubAppsFile(IReadOnlyList<GitHubAppEntry> Apps);

/// <param name="ClientId">The App's client id (or its number).</param>
/// <param name="PrivateKeyFile">PEM, as GitHub gives it; or else the key is in a KMS.</param>
/// <param name="ApiUrl">Of GitHub Enterprise Server, such as <c>https://HOST/api/v3</c>; absent: <c>https://api.github.com</c>.</param>
/// <param name="KmsKey">ARN of the App's key in AWS KMS: an RSA key for signing, into which the one that GitHub gave was imported.</param>
public sealed record GitHubAppEntry(string Name, string ClientId, string? PrivateKeyFile = null, string? ApiUrl = null, string? KmsKey = null);

[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web,
    PropertyNameCaseInsensitive = false,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectRequiredConstructorParameters = true,
    RespectNullableAnnotations = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(GitHubTokenRequest))]
[JsonSerializable(typeof(GitHubToken))]
[JsonSerializable(typeof(GitHubAppsFile))]
public sealed partial class GitHubJson : JsonSerializerContext;
