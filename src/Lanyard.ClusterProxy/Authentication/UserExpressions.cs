using Lanyard.Identity.Cel;

namespace Lanyard.ClusterProxy.Authentication;

/// <summary>One extra whose value an expression makes.</summary>
internal sealed record ExtraExpression(string Key, CelProgram Value);

/// <summary>A condition in CEL and what the operator says when it does not hold (for the log; the caller is told nothing).</summary>
internal sealed record ExpressionRule(CelProgram Condition, string Message)
{
    /// <returns>Null where it holds, else why not.</returns>
    public string? Mismatch(CelActivation activation)
    {
        var result = Condition.EvaluateBool(activation);
        return result.IsTrue ? null : result.IsError ? $"{Shown} could not be judged: {result.Error}" : $"{Shown} does not hold";
    }

    private string Shown => Message.Length > 0 ? $"\"{Message}\" ({Condition.Text})" : Condition.Text;
}

/// <summary>What an AuthenticationConfiguration says in CEL; each member takes the place of the claim of the same name.</summary>
internal sealed record UserExpressions
{
    public static readonly UserExpressions None = new();

    public CelProgram? Username { get; init; }

    public CelProgram? Groups { get; init; }

    public CelProgram? Uid { get; init; }

    public IReadOnlyList<ExtraExpression> Extras { get; init; } = [];

    /// <summary><c>userValidationRules</c>: over the user that the token becomes.</summary>
    public IReadOnlyList<ExpressionRule> UserRules { get; init; } = [];
}
