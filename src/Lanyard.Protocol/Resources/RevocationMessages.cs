using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lanyard.Protocol.Resources;

/// <summary>Body of <c>POST /v1/…/revocations</c>.</summary>
/// <param name="Kind"><c>principal</c> (its name), <c>key</c> (<c>kid</c>, or RFC 7638 thumbprint where a key has none) or <c>token</c> (its SHA-256, lower-case hex).</param>
/// <param name="Until">Absent: for good.</param>
public sealed record RevocationRequest(string Kind, string Value, string? Reason = null, DateTimeOffset? Until = null);

public sealed record RevocationView(string Id, string Kind, string Value, DateTimeOffset CreatedAt, string? Reason = null, DateTimeOffset? Until = null);

public sealed record RevocationList(IReadOnlyList<RevocationView> Items);

[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web,
    PropertyNameCaseInsensitive = false,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectRequiredConstructorParameters = true,
    RespectNullableAnnotations = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(RevocationRequest))]
[JsonSerializable(typeof(RevocationView))]
[JsonSerializable(typeof(RevocationList))]
public sealed partial class RevocationJson : JsonSerializerContext;
