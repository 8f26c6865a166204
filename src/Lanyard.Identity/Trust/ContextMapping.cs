using System.Text.Json;
using Lanyard.Identity.Tokens;

namespace Lanyard.Identity.Trust;

/// <summary>
/// Which verified claims say for what repository, ref and environment a caller works: <c>{"repository": "project_path", "ref": "ref"}</c>. What they say
/// becomes part of the subjects of the runs that the caller creates, so it is read from the token alone.
/// </summary>
public sealed class ContextMapping
{
    /// <summary>The facts that can be mapped.</summary>
    public static readonly IReadOnlyList<string> Names = ["repository", "ref", "environment"];

    private const int MaxLength = 200;
    private readonly IReadOnlyList<(string Name, ClaimPath Claim)> _claims;

    private ContextMapping(IReadOnlyList<(string Name, ClaimPath Claim)> claims) => _claims = claims;

    /// <summary>Maps nothing.</summary>
    public static ContextMapping None { get; } = new([]);

    /// <summary>
    /// Whether a text may be part of a subject, whose parts are told apart by colons: a colon inside one could make one run look like another.
    /// </summary>
    public static bool IsWord(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.Length is > 0 and <= MaxLength && text.All(c => c is > ' ' and <= '~' and not (':' or '"' or '\\'));
    }

    internal static ContextMapping Read(JsonElement value, ICollection<PolicyMistake> mistakes)
    {
        if (value.ValueKind != JsonValueKind.Object || !value.EnumerateObject().Any())
        {
            mistakes.Add(new PolicyMistake("context", $"an object of {string.Join(", ", Names)} -> claim is wanted"));
            return None;
        }

        var claims = new List<(string, ClaimPath)>();
        foreach (var member in value.EnumerateObject())
        {
            var path = $"context.{member.Name}";
            if (!Names.Contains(member.Name, StringComparer.Ordinal)) mistakes.Add(new PolicyMistake(path, "no such member"));
            else if (member.Value.ValueKind != JsonValueKind.String || ClaimPath.TryParse(member.Value.GetString()!) is not { } claim)
                mistakes.Add(new PolicyMistake(path, "not a claim's name or path"));
            else claims.Add((member.Name, claim));
        }

        return new ContextMapping(claims);
    }

    /// <returns>Every mapped fact, null where the token does not have the claim; or ClaimMalformed where a claim is there and can't be part of a subject.</returns>
    internal Outcome<IReadOnlyList<ContextFact>> Fill(ClaimSet claims)
    {
        var facts = new List<ContextFact>(_claims.Count);
        foreach (var (name, claim) in _claims)
        {
            if (!claims.TryFind(claim, out var value))
            {
                facts.Add(new ContextFact(name, null));
                continue;
            }

            if (!value.TryGetString(out var text) || !IsWord(text))
                return new Refusal(RefusalReason.ClaimMalformed, $"the claim {claim} is mapped to {name} and is no text of 1 to {MaxLength} printable ASCII characters without blanks, colons, quotes and backslashes");
            facts.Add(new ContextFact(name, text));
        }

        return facts;
    }
}

/// <summary>What a token says of its caller's work.</summary>
/// <param name="Name">One of <see cref="ContextMapping.Names"/>.</param>
/// <param name="Value">Null: the policy maps it, and the token does not have it.</param>
public sealed record ContextFact(string Name, string? Value);
