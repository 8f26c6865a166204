using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lanyard.Protocol.OAuth;

/// <summary>Body of <c>POST /v1/explain</c>.</summary>
/// <param name="Audience">Also judge whether the subject may have an identity token for it.</param>
/// <param name="Workspace">Judge as that workspace's token endpoint would; absent: as the instance's door.</param>
/// <param name="Policy">Judge by the trust policy of that slug alone.</param>
/// <param name="Cluster">Judge by the keys of that registered cluster alone.</param>
public sealed record ExplainRequest(string Token, string? Audience = null, string? Workspace = null, string? Policy = null, string? Cluster = null);

/// <summary>Every step of the chain in order; the last one says no, or all say yes.</summary>
/// <param name="Principal">Who it is, if it is anybody.</param>
/// <param name="Refusal">The cause, such as <c>Signature/SignatureInvalid</c>.</param>
/// <param name="Policies">Every trust policy that was considered.</param>
public sealed record Explanation(
    IReadOnlyList<ExplainedStep> Steps, string? Principal = null, string? Refusal = null, IReadOnlyList<string>? Evidence = null, IReadOnlyList<ExplainedPolicy>? Policies = null);

/// <param name="Why">Of one that does not match: its first condition that fails, and what was seen; claims that name people are redacted.</param>
/// <param name="Change">What would have to change, in the token or in the policy.</param>
public sealed record ExplainedPolicy(string Policy, bool Matches, string? Why = null, string? Change = null);

/// <param name="Step">Number in the chain, from 1.</param>
public sealed record ExplainedStep(int Step, string Stage, bool Passed, string Text);

[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web,
    PropertyNameCaseInsensitive = false,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectRequiredConstructorParameters = true,
    RespectNullableAnnotations = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ExplainRequest))]
[JsonSerializable(typeof(Explanation))]
public sealed partial class ExplainJson : JsonSerializerContext;
