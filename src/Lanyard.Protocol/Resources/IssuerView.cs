using System.Text.Json.Serialization;

namespace Lanyard.Protocol.Resources;

/// <summary>What a relying party must be told of an issuer, and the state of its keys (<c>lanyard issuer show</c>).</summary>
/// <param name="Done">After a rotation: what was done, one line an algorithm.</param>
/// <param name="Warnings">Which relying parties may refuse tokens now, because their copy of the key set may be from before; absent: none.</param>
public sealed record IssuerView(
    string Issuer, string DefaultAudience, string JwksUri, IReadOnlyList<IssuerKeyView> Keys, IReadOnlyList<string>? Done = null, IReadOnlyList<string>? Warnings = null);

/// <param name="State"><c>next</c>, <c>active</c> or <c>retired</c>.</param>
public sealed record IssuerKeyView(string Kid, string Alg, string State, DateTimeOffset CreatedAt, DateTimeOffset? ActiveAt, DateTimeOffset? RetiredAt);

/// <param name="Now">Activate at once: for a key that leaked.</param>
public sealed record RotateRequest(bool Now = false);

[JsonSourceGenerationOptions(
    System.Text.Json.JsonSerializerDefaults.Web,
    PropertyNameCaseInsensitive = false,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(IssuerView))]
[JsonSerializable(typeof(RotateRequest))]
public sealed partial class IssuerJson : JsonSerializerContext;
