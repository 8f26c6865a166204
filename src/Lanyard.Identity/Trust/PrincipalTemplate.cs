using System.Globalization;
using System.Text;
using Lanyard.Identity.Tokens;

namespace Lanyard.Identity.Trust;

/// <summary>
/// A principal's name made of claims: <c>ci:{repository_id}</c>, with <c>{{</c> and <c>}}</c> for braces. A claim that is missing, no string or integer, or
/// empty is a refusal, never an empty part.
/// </summary>
public sealed class PrincipalTemplate
{
    /// <summary>Of a template.</summary>
    public const int MaxLength = 255;

    /// <summary>Of a principal's name.</summary>
    public const int MaxNameLength = 512;
    private readonly IReadOnlyList<(string? Literal, ClaimPath? Claim)> _parts;

    private PrincipalTemplate(IReadOnlyList<(string? Literal, ClaimPath? Claim)> parts) => _parts = parts;

    /// <returns>Null with what is wrong in <paramref name="mistake"/>.</returns>
    public static PrincipalTemplate? Parse(string text, out string? mistake)
    {
        ArgumentNullException.ThrowIfNull(text);
        mistake = text.Length is 0 or > MaxLength ? $"1 to {MaxLength} characters" : null;
        var parts = new List<(string?, ClaimPath?)>();
        var literal = new StringBuilder();
        for (var i = 0; i < text.Length && mistake is null; i++)
        {
            if (text[i] is '{' or '}' && i + 1 < text.Length && text[i + 1] == text[i]) literal.Append(text[i++]);
            else if (text[i] == '}') mistake = "a } without a {; write }} for a brace";
            else if (text[i] != '{') literal.Append(text[i]);
            else
            {
                var end = text.IndexOf('}', i);
                var claim = end < 0 ? null : ClaimPath.TryParse(text[(i + 1)..end]);
                if (claim is null) mistake = "a { without a claim's name and }";
                if (literal.Length > 0) parts.Add((literal.ToString(), null));
                literal.Clear();
                parts.Add((null, claim));
                i = end;
            }
        }

        if (literal.Length > 0) parts.Add((literal.ToString(), null));
        return mistake is null ? new PrincipalTemplate(parts) : null;
    }

    public Outcome<string> Fill(ClaimSet claims)
    {
        var name = new StringBuilder();
        foreach (var (literal, claim) in _parts)
        {
            if (literal is not null)
            {
                name.Append(literal);
                continue;
            }

            if (!claims.TryFind(claim!, out var value) || TextOf(value) is not { Length: > 0 } text)
                return new Refusal(RefusalReason.ClaimMissing, $"the principal's name needs the claim {claim} as a string or an integer");
            name.Append(text);
        }

        return Checked(name.ToString());
    }

    /// <summary>Names go into logs, tokens and headers: they are bounded, and what one reads is what is there.</summary>
    internal static Outcome<string> Checked(string name)
    {
        if (name.Length > MaxNameLength) return new Refusal(RefusalReason.ClaimMalformed, $"the principal's name has more than {MaxNameLength} characters");
        foreach (var rune in name.EnumerateRunes())
        {
            if (Rune.IsControl(rune) || Rune.GetUnicodeCategory(rune) is UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator)
                return new Refusal(RefusalReason.ClaimMalformed, $"the principal's name has the invisible character U+{rune.Value:X4}");
        }

        return name;
    }

    private static string? TextOf(ClaimValue value) =>
        value.TryGetString(out var text) ? text : value.TryGetInt64(out var number) ? number.ToString(CultureInfo.InvariantCulture) : null;
}
