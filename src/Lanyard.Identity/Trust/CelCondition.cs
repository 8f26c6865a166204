using System.Text.Json;
using Lanyard.Identity.Cel;
using Lanyard.Identity.Tokens;

namespace Lanyard.Identity.Trust;

/// <summary>
/// A condition in CEL over a token's claims (docs/cel.md): compiled when the document is read, with every mistake and its place in the text; what it may
/// cost is bounded, and an error is never a yes.
/// </summary>
public sealed class CelCondition
{
    private const int MaxShown = 200;

    private readonly CelProgram _program;

    private CelCondition(CelProgram program) => _program = program;

    /// <summary>The expression, as people are shown it.</summary>
    public string Text => _program.Text.Length <= MaxShown ? _program.Text : _program.Text[..MaxShown] + "…";

    /// <returns>Null where there is a mistake.</returns>
    public static CelCondition? Read(JsonElement value, string path, ICollection<PolicyMistake> mistakes)
    {
        ArgumentNullException.ThrowIfNull(mistakes);
        if (value.ValueKind != JsonValueKind.String || value.GetString() is not { Length: > 0 } text)
        {
            mistakes.Add(new PolicyMistake(path, "an expression in CEL is wanted, such as claims.ref == 'refs/heads/main'"));
            return null;
        }

        return Read(text, path, mistakes);
    }

    /// <returns>Null where there is a mistake.</returns>
    public static CelCondition? Read(string text, string path, ICollection<PolicyMistake> mistakes)
    {
        ArgumentNullException.ThrowIfNull(mistakes);
        if (!CelEnvironments.Conditions.Compile(text).TryGet(out var program, out var issues))
        {
            foreach (var issue in issues) mistakes.Add(new PolicyMistake(path, issue.ToString()));
            return null;
        }

        if (program.ResultType != CelType.Bool && program.ResultType != CelType.Dyn)
        {
            mistakes.Add(new PolicyMistake(path, $"comes to {program.ResultType}; a condition comes to true or false"));
            return null;
        }

        return new CelCondition(program);
    }

    /// <summary>Whether a claim's name stands in it.</summary>
    internal bool Mentions(string claim) => _program.Text.Contains(claim, StringComparison.Ordinal);

    /// <returns>Null where it holds; else why it does not.</returns>
    public string? Mismatch(ClaimSet claims)
    {
        ArgumentNullException.ThrowIfNull(claims);
        var result = _program.EvaluateBool(claims.ForConditions);
        if (result.IsTrue) return null;
        return result.IsError ? $"the condition {Text} could not be judged: {Printable.Of(result.Error)}" : $"the condition {Text} does not hold";
    }
}
