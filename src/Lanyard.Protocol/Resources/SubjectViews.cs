using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lanyard.Protocol.Resources;

/// <summary>How the subjects of a definition's identity tokens look: one entry for each audience and each of its templates.</summary>
public sealed record SubjectList(string Issuer, IReadOnlyList<SubjectView> Items);

/// <param name="Name">One of the audience's own names, a preset's, or <c>default</c>.</param>
/// <param name="IsDefault">Made where nobody asks for another by name.</param>
/// <param name="Example">For the values that were asked for; what only a run knows stands in angle brackets. Null: it can't be made.</param>
/// <param name="Varies">Names of the values that differ from run to run.</param>
/// <param name="Problems">What a relying party would refuse, and which.</param>
/// <param name="Tokens">How many were made.</param>
/// <param name="LastUsedAt">Null: never.</param>
/// <param name="Conditions">In CEL over the token's claims; all must be true, or a run gets no such token.</param>
public sealed record SubjectView(
    string Audience,
    string Name,
    bool IsDefault,
    string Template,
    string? Example,
    string Algorithm,
    IReadOnlyList<string> Varies,
    IReadOnlyList<SubjectProblem> Problems,
    long Tokens,
    DateTimeOffset? LastUsedAt,
    IReadOnlyList<string>? Conditions = null);

/// <param name="Cloud">Who would refuse: <c>AWS</c>, <c>Google Cloud</c>, <c>Azure</c>, or <c>Lanyard</c> itself.</param>
public sealed record SubjectProblem(string Cloud, string Text);

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, PropertyNameCaseInsensitive = false, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(SubjectList))]
public sealed partial class SubjectJson : JsonSerializerContext;
