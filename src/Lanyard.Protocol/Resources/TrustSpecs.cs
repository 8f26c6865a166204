using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lanyard.Protocol.Resources;

/// <summary>Spec of a <c>TrustedIssuer</c>: whose tokens are believed, by which keys, and how far.</summary>
/// <param name="Issuer">The exact <c>iss</c>: nothing is normalised.</param>
/// <param name="Keys">Where its keys come from; exactly one member.</param>
/// <param name="Audiences">Any of them must be in <c>aud</c>; absent: the instance URL.</param>
/// <param name="Algorithms">Subset of RS, PS and ES 256, 384, 512; absent: all.</param>
/// <param name="MaxLifetimeSeconds">Longest life from <c>iat</c> to <c>exp</c>; absent: 24 hours.</param>
/// <param name="RequireIat">False counts the life of a token without <c>iat</c> from <c>nbf</c> or now (SPIFFE).</param>
/// <param name="RequiredClaims">Conditions on claims, as in a trust policy.</param>
/// <param name="Condition">In CEL over <c>claims</c> (docs/cel.md); a token for which it is not true is refused.</param>
/// <param name="Workflows">GitHub's own runtime tokens are taken, at the runtime API and nowhere else; only the instance's records have it.</param>
/// <param name="AllowPrivateAddresses">Its keys may be fetched from loopback, private and link-local addresses.</param>
/// <param name="CaBundle">PEM: the only roots when its keys are fetched.</param>
public sealed record TrustedIssuerSpec(
    string Issuer,
    IssuerKeys Keys,
    IReadOnlyList<string>? Audiences = null,
    IReadOnlyList<string>? Algorithms = null,
    long? MaxLifetimeSeconds = null,
    bool? RequireIat = null,
    JsonElement? RequiredClaims = null,
    bool? AllowPrivateAddresses = null,
    string? CaBundle = null,
    string? Condition = null,
    WorkflowTrustSpec? Workflows = null);

/// <summary>Jobs on GitHub's own runners: whose cache they use. Any repository of github.com gets runtime tokens of the same issuer, so only those listed are taken.</summary>
/// <param name="Repositories">By GitHub's id of the repository, which never changes and is never given again.</param>
/// <param name="ResultsUrl">Where the other services of <c>ACTIONS_RESULTS_URL</c> are, such as artifacts: their calls are passed on. Absent: they are refused.</param>
public sealed record WorkflowTrustSpec(IReadOnlyDictionary<string, WorkflowRepository> Repositories, string? ResultsUrl = null);

/// <param name="Workspace">Slug of the workspace whose cache it is.</param>
/// <param name="Repository">What the repository is called there, <c>owner/name</c>: machines of that name share the cache.</param>
public sealed record WorkflowRepository(string Workspace, string Repository);

public sealed record IssuerKeys(DiscoveredKeys? Discovery = null, JsonElement? Jwks = null, PushedKeysSpec? Pushed = null, SpiffeKeysSpec? Spiffe = null);

/// <param name="Url">Absent: the issuer's own <c>/.well-known/openid-configuration</c>.</param>
/// <param name="JwksHosts">Hosts besides the discovery document's that its <c>jwks_uri</c> may be on.</param>
public sealed record DiscoveredKeys(string? Url = null, IReadOnlyList<string>? JwksHosts = null);

/// <param name="Jwks">The keys at registration.</param>
/// <param name="Subject">The service account that may push new ones, for the audience <c>URL/keys</c>.</param>
/// <param name="RequireApproval">New keys also wait for an admin.</param>
/// <param name="Review">The cluster's API server is also asked about each token (TokenReview), through its runner's connection: what it has deleted is refused.</param>
public sealed record PushedKeysSpec(JsonElement Jwks, string Subject, bool? RequireApproval = null, bool? Review = null);

/// <summary>A SPIFFE trust domain: its bundle's keys for JWT-SVIDs are believed, for its own workloads only. Exactly one of url and bundle.</summary>
/// <param name="TrustDomain">Such as <c>example.org</c>.</param>
/// <param name="Url">Its bundle endpoint (profile <c>https_web</c>).</param>
/// <param name="Bundle">The bundle itself, where nobody fetches it.</param>
public sealed record SpiffeKeysSpec(string TrustDomain, string? Url = null, JsonElement? Bundle = null);

/// <summary>Reads and writes the specs of trust: camelCase, unknown members refused.</summary>
[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web,
    NumberHandling = JsonNumberHandling.Strict,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    PropertyNameCaseInsensitive = false,
    RespectRequiredConstructorParameters = true,
    RespectNullableAnnotations = true)]
[JsonSerializable(typeof(TrustedIssuerSpec))]
[JsonSerializable(typeof(Resource<TrustedIssuerSpec>))]
[JsonSerializable(typeof(ResourceWrite<TrustedIssuerSpec>))]
[JsonSerializable(typeof(ResourceList<TrustedIssuerSpec>))]
public sealed partial class TrustJson : JsonSerializerContext;
