using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lanyard.Protocol.Resources;

/// <summary>Body of <c>POST &lt;instance&gt;/keys</c>; the bearer is a token for the audience <c>&lt;instance&gt;/keys</c>, signed by a key that is still trusted.</summary>
/// <param name="Jwks">All keys that the cluster publishes now.</param>
/// <param name="Proof">A token for the same audience and subject, signed by one of the new keys; without it they wait.</param>
public sealed record KeyPushRequest(JsonElement Jwks, string? Proof = null);

/// <param name="State"><c>accepted</c>, <c>pending</c> (a proof is wanted) or <c>awaiting-approval</c>.</param>
public sealed record KeyPushAnswer(string State);

/// <summary>
/// Body of <c>POST &lt;instance&gt;/keys/reviews</c>, a long poll of whoever pushes a cluster's keys (same bearer): the answers to what it was asked before.
/// </summary>
/// <param name="WaitSeconds">0 to 50.</param>
public sealed record ReviewPoll(int WaitSeconds, IReadOnlyList<ReviewAnswer> Answers);

/// <summary>What the API server said (<c>TokenReview.status</c>).</summary>
/// <param name="Id">As it was asked.</param>
/// <param name="Error">It could not be asked; then nothing else counts.</param>
public sealed record ReviewAnswer(string Id, bool Authenticated, string? Username = null, IReadOnlyList<string>? Audiences = null, string? Error = null);

public sealed record ReviewBatch(IReadOnlyList<ReviewQuestion> Reviews);

/// <param name="Token">To be asked of the API server, and not to be kept.</param>
/// <param name="Audiences">For <c>TokenReview.spec</c>.</param>
public sealed record ReviewQuestion(string Id, string Token, IReadOnlyList<string> Audiences);

/// <summary>The keys of a record whose cluster pushes them.</summary>
/// <param name="Record">Its id.</param>
/// <param name="Leaving">Key ids that a newer push no longer has, and until when they are trusted.</param>
/// <param name="Pending">Key ids of a push that is not trusted yet.</param>
/// <param name="PendingThumbprints">RFC 7638 thumbprints of the same keys, which an approval names.</param>
/// <param name="IsProven">Only an admin's approval is missing.</param>
/// <param name="ConfirmedAt">When the cluster last said which keys it has.</param>
/// <param name="StaleSince">Since when the keys may be out of date: a token named another, or the cluster fell silent. Absent: they are not.</param>
public sealed record PushedKeysView(
    string Record, string Slug, string Subject, bool RequireApproval, IReadOnlyList<string> Keys, IReadOnlyDictionary<string, DateTimeOffset> Leaving,
    IReadOnlyList<string> Pending, IReadOnlyList<string> PendingThumbprints, bool IsProven, DateTimeOffset? ConfirmedAt = null, DateTimeOffset? StaleSince = null);

/// <summary>An admin's yes to keys that wait: to these, and to no others that were pushed since.</summary>
/// <param name="Thumbprints">RFC 7638 thumbprints of all that wait, as <c>pendingThumbprints</c> has them.</param>
public sealed record PushedKeysApproval(IReadOnlyList<string> Thumbprints);

public sealed record PushedKeysList(IReadOnlyList<PushedKeysView> Items);

/// <param name="Id"><c>key_</c> and the key's RFC 7638 thumbprint: the client id of its assertions.</param>
/// <param name="Name">Whose it is.</param>
public sealed record AdminKeyView(string Id, string Name, DateTimeOffset CreatedAt);

public sealed record AdminKeyList(IReadOnlyList<AdminKeyView> Items);

/// <summary>Body of <c>POST /v1/admin-keys</c>.</summary>
/// <param name="Jwk">The public key.</param>
public sealed record AdminKeyRequest(JsonElement Jwk, string Name);

[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web,
    NumberHandling = JsonNumberHandling.Strict,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    PropertyNameCaseInsensitive = false,
    RespectRequiredConstructorParameters = true,
    RespectNullableAnnotations = true)]
[JsonSerializable(typeof(KeyPushRequest))]
[JsonSerializable(typeof(KeyPushAnswer))]
[JsonSerializable(typeof(ReviewPoll))]
[JsonSerializable(typeof(ReviewAnswer))]
[JsonSerializable(typeof(ReviewBatch))]
[JsonSerializable(typeof(IReadOnlyList<string>))]
[JsonSerializable(typeof(PushedKeysView))]
[JsonSerializable(typeof(PushedKeysList))]
[JsonSerializable(typeof(PushedKeysApproval))]
[JsonSerializable(typeof(AdminKeyView))]
[JsonSerializable(typeof(AdminKeyList))]
[JsonSerializable(typeof(AdminKeyRequest))]
public sealed partial class KeysJson : JsonSerializerContext;
