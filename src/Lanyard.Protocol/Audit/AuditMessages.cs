using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lanyard.Protocol.Audit;

/// <summary>One line of <c>GET /v1/audit</c> (<c>application/x-ndjson</c>): an event and its place in the chain of one server process.</summary>
/// <param name="Sequence">From 1, without gaps.</param>
/// <param name="Hash">See <see cref="AuditChain"/>; lower-case hex.</param>
/// <param name="Event">An <see cref="AuditEventBody"/>; its raw text is what was hashed.</param>
public sealed record AuditLine(string Chain, long Sequence, string PreviousHash, string Hash, JsonElement Event);

/// <summary>A decision, or a change. Never a token: its SHA-256 only.</summary>
/// <param name="Action">What was asked for, such as <c>workspace.put</c> or <c>token.exchange</c>.</param>
/// <param name="Decision"><c>allowed</c> or <c>refused</c>.</param>
/// <param name="Workspace">Id, where it concerns one.</param>
/// <param name="Collection">Id, where it concerns one.</param>
/// <param name="Target">Id or path of what it was about.</param>
/// <param name="Evidence">Which policy and which claims made the caller this principal.</param>
/// <param name="Stage">Of a refusal: where in the chain.</param>
/// <param name="Reason">Of a refusal: its name, such as <c>no-matching-policy</c>.</param>
/// <param name="Claims">The verified claims, some of them redacted.</param>
/// <param name="Trace">The steps of the chain that judged the token.</param>
public sealed record AuditEventBody(
    string Id,
    DateTimeOffset At,
    string Action,
    string Decision,
    string? RequestId = null,
    string? Workspace = null,
    string? Collection = null,
    string? Target = null,
    string? Principal = null,
    string? PrincipalKind = null,
    string? Policy = null,
    string? TrustRecord = null,
    string? TokenSha256 = null,
    IReadOnlyList<string>? Evidence = null,
    string? Stage = null,
    string? Reason = null,
    string? Detail = null,
    JsonElement? Claims = null,
    IReadOnlyList<string>? Trace = null,
    IReadOnlyDictionary<string, string>? Details = null);

/// <summary>Answer to <c>GET /v1/audit/verify</c>.</summary>
public sealed record AuditReport(bool Intact, long Events, IReadOnlyList<AuditChainReport> Chains);

/// <param name="Fault">What is wrong, and at which event; null where the chain is whole.</param>
public sealed record AuditChainReport(string Chain, DateTimeOffset Started, long Events, string Head, string? Fault);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(AuditLine))]
[JsonSerializable(typeof(AuditEventBody))]
[JsonSerializable(typeof(AuditReport))]
public sealed partial class AuditJson : JsonSerializerContext;
