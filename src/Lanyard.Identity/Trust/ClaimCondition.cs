using System.Globalization;
using System.Text.Json;
using Lanyard.Identity.Tokens;

namespace Lanyard.Identity.Trust;

/// <summary>A claim that matched, for evidence: which claim, its value, and what was wanted of it.</summary>
public sealed record MatchedClaim(string Claim, string Value, string Wanted);

/// <summary>What one claim must be. Comparison is typed and ordinal: the string "true" is not the boolean true, and nothing is folded or trimmed.</summary>
public sealed class ClaimCondition
{
    private readonly IReadOnlyList<Wanted> _wanted;
    private readonly bool _contains;

    private ClaimCondition(ClaimPath path, IReadOnlyList<Wanted> wanted, bool contains)
    {
        Path = path;
        _wanted = wanted;
        _contains = contains;
    }

    public ClaimPath Path { get; }

    /// <summary>Values of its own, and no pattern nor part of a list.</summary>
    internal bool IsExact => !_contains && _wanted.All(static wanted => wanted.Glob is null);

    /// <summary>Where it asks an outermost claim for one of some texts: which; null where it asks anything else.</summary>
    internal (string Claim, IReadOnlyList<string> Texts)? ExactTexts =>
        IsExact && Path.Segments.Length == 1 && Path.Segments[0] == Path.Text && _wanted.All(static wanted => wanted.Kind == JsonValueKind.String)
            ? (Path.Text, [.. _wanted.Select(static wanted => wanted.Text)])
            : null;

    /// <summary>The claim must be one of these strings.</summary>
    /// <exception cref="ArgumentException">The path is malformed, or there is no value.</exception>
    public static ClaimCondition Exact(string path, params IReadOnlyList<string> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        var parsed = ClaimPath.TryParse(path) ?? throw new ArgumentException("malformed path", nameof(path));
        return values.Count == 0
            ? throw new ArgumentException("no value", nameof(values))
            : new ClaimCondition(parsed, [.. values.Select(v => new Wanted(JsonValueKind.String, v, null))], contains: false);
    }

    /// <returns>Null when the condition holds, else why not, with the value seen.</returns>
    public string? Mismatch(ClaimSet claims) => Judge(claims, out _, out var mismatch) ? null : mismatch;

    internal static ClaimCondition Of(ClaimPath path, IReadOnlyList<Wanted> wanted, bool contains) => new(path, wanted, contains);

    internal bool Judge(ClaimSet claims, out MatchedClaim? matched, out string? mismatch)
    {
        ArgumentNullException.ThrowIfNull(claims);
        matched = null;
        mismatch = null;
        if (!claims.TryFind(Path, out var value))
        {
            mismatch = $"claim {Path} is absent, wanted is {Describe()}";
            return false;
        }

        foreach (var wanted in _wanted)
        {
            if (_contains ? ContainsAny(value, wanted) : wanted.Matches(value))
            {
                matched = new MatchedClaim(Path.Text, Shown(value), (_contains ? "contains " : "") + wanted);
                return true;
            }
        }

        mismatch = $"claim {Path} is {Shown(value)}, wanted is {Describe()}{TypeHint(value)}";
        return false;
    }

    /// <summary>What would have to change for a token that does not match: in the token, or in the policy.</summary>
    internal string Change(ClaimSet claims) => claims.TryFind(Path, out var value)
        ? $"the token would need {Path} to be {Describe()}; or the policy would have to allow {Shown(value)} for {Path}"
        : $"the token would need the claim {Path} ({Describe()}); or the policy would have to do without it";

    private string Shown(ClaimValue value) => PersonalClaims.Contains(Path.Segments[0]) ? PersonalClaims.Redacted : value.ToString();

    private static bool ContainsAny(ClaimValue value, Wanted wanted)
    {
        foreach (var element in value.Elements())
        {
            if (wanted.Matches(element))
            {
                return true;
            }
        }

        return false;
    }

    private string TypeHint(ClaimValue value)
    {
        if (_contains)
        {
            return value.Kind == JsonValueKind.Array ? "" : " (the claim is no array)";
        }

        return value.Kind == JsonValueKind.Array ? " (the claim is an array: use contains)"
            : _wanted[0].Kind == value.Kind || value.Kind is JsonValueKind.True or JsonValueKind.False && _wanted[0].Kind is JsonValueKind.True or JsonValueKind.False ? ""
            : string.Create(CultureInfo.InvariantCulture, $" (the types differ: {TypeName(value.Kind)} is not {TypeName(_wanted[0].Kind)})");
    }

    private static string TypeName(JsonValueKind kind) => kind switch
    {
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        JsonValueKind.True or JsonValueKind.False => "a boolean",
        JsonValueKind.Null => "null",
        _ => "an object",
    };

    private string Describe() => (_contains ? "an array with " : "") + (_wanted.Count == 1 ? _wanted[0].ToString() : $"one of {string.Join(", ", _wanted)}");

    /// <summary>One accepted value: a string, an integer, a boolean, or a glob over strings.</summary>
    internal sealed record Wanted(JsonValueKind Kind, string Text, Glob? Glob)
    {
        public bool Matches(ClaimValue value) => Glob is not null
            ? value.TryGetString(out var text) && Glob.Matches(text)
            : Kind switch
            {
                JsonValueKind.String => value.EqualsString(Text),
                JsonValueKind.Number => value.TryGetInt64(out var number) && number.ToString(CultureInfo.InvariantCulture) == Text,
                _ => value.Kind == Kind,
            };

        public override string ToString() => Glob is not null ? $"glob \"{Text}\"" : Kind == JsonValueKind.String ? $"\"{Text}\"" : Text;
    }
}
