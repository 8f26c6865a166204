using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lanyard.Protocol.Resources;

/// <summary>Spec of a <c>Cluster</c>: a Kubernetes whose service-account tokens are believed.</summary>
/// <param name="Issuer">The exact <c>iss</c> of its tokens. Clusters may share one: keys belong to the cluster, not to the string.</param>
/// <param name="Runner">The service account that stands for the runner.</param>
/// <param name="ApiServerVersion">As the API server says, such as <c>v1.33.1</c>; for people.</param>
public sealed record ClusterSpec(string Issuer, ClusterKeys Keys, ClusterSubject Runner, string? ApiServerVersion = null);

/// <summary>Where the keys come from: either <paramref name="Discovery"/> or <paramref name="Jwks"/>.</summary>
/// <param name="Discovery"><c>true</c>: the server fetches them from the issuer, which it can reach.</param>
/// <param name="Jwks">The key set as the API server gives it at <c>/openid/v1/jwks</c>: for private clusters.</param>
/// <param name="Pusher">With <paramref name="Jwks"/>: the service account that may push rotated keys later (<c>lanyard cluster push-keys</c>).</param>
/// <param name="RequireApproval">With <paramref name="Pusher"/>: pushed keys also wait for an admin.</param>
/// <param name="Review">With <paramref name="Pusher"/>: the API server is asked about each token, through the connection of whoever pushes (<c>lanyard runner --review-tokens</c>).</param>
public sealed record ClusterKeys(bool? Discovery = null, JsonElement? Jwks = null, ClusterSubject? Pusher = null, bool? RequireApproval = null, bool? Review = null);

public sealed record ClusterSubject(string Namespace, string ServiceAccount)
{
    /// <summary>The <c>sub</c> of its tokens.</summary>
    [JsonIgnore]
    public string Subject => $"system:serviceaccount:{Namespace}:{ServiceAccount}";
}

/// <summary>
/// Body of <c>PUT /v1/workspaces/{w}/clusters/{slug}</c>: the spec and the trial. A resource that was read may be sent back with a token.
/// </summary>
/// <param name="Token">
/// A fresh token of <see cref="ClusterSpec.Runner"/> for the instance URL, at most an hour old. It is judged and forgotten: only its hash is kept, so that
/// it can't be used again.
/// </param>
public sealed record ClusterWrite(
    ClusterSpec Spec,
    string? Token = null,
    string? Kind = null,
    string? Id = null,
    string? Slug = null,
    string? Workspace = null,
    string? Etag = null,
    string? CreatedAt = null,
    string? UpdatedAt = null,
    JsonElement? Status = null);

/// <summary>What a cluster's trial showed.</summary>
public sealed record ClusterStatus(TrialReport Report, DateTimeOffset VerifiedAt);

/// <param name="Verified">Every line is ok.</param>
public sealed record TrialReport(bool Verified, IReadOnlyList<TrialLine> Lines);

/// <param name="Name"><c>token</c>, <c>issuer</c>, <c>keys</c>, <c>audience</c>, <c>subject</c>, <c>clock</c>, <c>life</c> or <c>once</c>.</param>
/// <param name="Seen">What the token, the cluster or the clocks showed.</param>
/// <param name="Wanted">What was wanted instead; null where the line is ok.</param>
public sealed record TrialLine(string Name, bool Ok, string Seen, string? Wanted = null);

/// <summary>RFC 9457 problem of a trial that did not hold: nothing was stored.</summary>
public sealed record TrialProblem(string Type, string Title, int Status, string RequestId, TrialReport Report);

/// <summary>
/// Body of <c>POST /v1/cluster-requests</c>, from someone who administers only the cluster: keys must be in it, because the server fetches nothing
/// for callers it does not know.
/// </summary>
public sealed record ClusterRequest(ClusterSpec Spec, string Token);

/// <param name="Code">What an admin of the workspace types, such as <c>K7QF-2M9D</c>.</param>
public sealed record ClusterRequestAnswer(string Code, DateTimeOffset ExpiresAt, TrialReport Report);

/// <summary><c>GET /v1/workspaces/{w}/cluster-requests/{code}</c>: what approving would register.</summary>
public sealed record ClusterRequestView(ClusterSpec Spec, TrialReport Report, DateTimeOffset CreatedAt, DateTimeOffset ExpiresAt);

/// <summary>Body of <c>POST /v1/workspaces/{w}/cluster-requests/{code}/approve</c>.</summary>
public sealed record ClusterApproval(string Slug);

/// <summary>The dialect of clusters: that of resources.</summary>
[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web,
    NumberHandling = JsonNumberHandling.Strict,
    PropertyNameCaseInsensitive = false,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectRequiredConstructorParameters = true,
    RespectNullableAnnotations = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ClusterWrite))]
[JsonSerializable(typeof(ClusterStatus))]
[JsonSerializable(typeof(Resource<ClusterSpec>))]
[JsonSerializable(typeof(ResourceList<ClusterSpec>))]
[JsonSerializable(typeof(TrialProblem))]
[JsonSerializable(typeof(TrialReport))]
[JsonSerializable(typeof(ClusterRequest))]
[JsonSerializable(typeof(ClusterRequestAnswer))]
[JsonSerializable(typeof(ClusterRequestView))]
[JsonSerializable(typeof(ClusterApproval))]
public sealed partial class ClusterJson : JsonSerializerContext;
