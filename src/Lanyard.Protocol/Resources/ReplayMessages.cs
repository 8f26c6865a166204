using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lanyard.Protocol.Resources;

/// <summary>Body of <c>POST …/trust-policies/{policy}/replay</c>.</summary>
/// <param name="Since">Decisions from then on.</param>
/// <param name="Spec">A draft; absent: the policy as it is stored, such as one for audit only.</param>
public sealed record ReplayRequest(DateTimeOffset Since, JsonElement? Spec = null);

/// <summary>What a policy would have made of decisions of the past.</summary>
/// <param name="Events">Decisions with verified claims of the policy's issuer.</param>
/// <param name="Undecided">Of them, those whose claims are redacted where the policy looks.</param>
/// <param name="IsCut">There were more than are looked at.</param>
public sealed record ReplayReport(long Events, long Undecided, bool IsCut, IReadOnlyList<ReplayedDecision> NewlyAllowed, IReadOnlyList<ReplayedDecision> NewlyRefused);

/// <summary>The first decision about one token.</summary>
/// <param name="Event">Id of its audit event.</param>
/// <param name="Was"><c>refused</c>, or <c>allowed</c> where other policies (<paramref name="Others"/>) let it in.</param>
/// <param name="Principal">Who it would be.</param>
/// <param name="Why">Of one that would be refused: the first condition that fails.</param>
public sealed record ReplayedDecision(string Event, DateTimeOffset At, string Subject, string Was, bool Others, string? Principal = null, string? Why = null);

[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web,
    PropertyNameCaseInsensitive = false,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectRequiredConstructorParameters = true,
    RespectNullableAnnotations = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ReplayRequest))]
[JsonSerializable(typeof(ReplayReport))]
public sealed partial class ReplayJson : JsonSerializerContext;
