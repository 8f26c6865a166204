using System.Diagnostics.CodeAnalysis;

namespace Lanyard.Identity.Cel;

/// <summary>A compiled expression. Thread-safe; evaluating a condition over claims allocates nothing.</summary>
public sealed class CelProgram
{
    private readonly Node _root;
    private readonly int _locals;
    private readonly CelEnvironment _environment;

    internal CelProgram(string text, Node root, CelType result, int locals, CelEnvironment environment)
    {
        Text = text;
        _root = root;
        ResultType = result;
        _locals = locals;
        _environment = environment;
    }

    public string Text { get; }

    /// <summary>What the checker knows of the result; <see cref="CelType.Dyn"/> where only the run time knows.</summary>
    public CelType ResultType { get; }

    /// <summary>
    /// An upper estimate of the cost with the largest input. Above <see cref="CelLimits.MaxCost"/> a hostile token could make the condition
    /// fail for want of budget; an ordinary one costs far less.
    /// </summary>
    public long WorstCost { get; internal init; }

    /// <exception cref="ArgumentException">The activation belongs to an environment of other variables.</exception>
    public CelResult Evaluate(CelActivation activation, CelLimits? limits = null)
    {
        if (activation.Values.Length != _environment.VariableCount)
        {
            throw new ArgumentException("the activation was made for another environment", nameof(activation));
        }

        var frame = new CelFrame(activation.Values, _locals == 0 ? [] : new CelValue[_locals], limits ?? _environment.Limits);
        var value = _root.Evaluate(ref frame);
        return frame.IsExhausted ? new CelResult(Faults.Budget, frame.Cost, true) : new CelResult(value, frame.Cost, false);
    }

    /// <summary>Evaluates a condition: anything but a bool is an error, and an error is never true.</summary>
    public CelResult EvaluateBool(CelActivation activation, CelLimits? limits = null)
    {
        var result = Evaluate(activation, limits);
        return result.Value.Kind is CelKind.Bool or CelKind.Error ? result : result with { Value = Faults.NotBool };
    }
}

/// <summary>
/// What an evaluation came to. <see cref="Cost"/> is in the units of <see cref="CelLimits.MaxCost"/>;
/// <see cref="IsOverBudget"/> tells a stopped evaluation from one that failed.
/// </summary>
public readonly record struct CelResult(CelValue Value, long Cost, bool IsOverBudget)
{
    public bool IsError => Value.IsError;

    /// <summary>Why there is no value; empty when there is one.</summary>
    public string Error => Value.ErrorText;

    /// <summary>True only for the value <c>true</c>: errors and other values are no consent.</summary>
    public bool IsTrue => Value.Kind == CelKind.Bool && Value.AsBool;
}

/// <summary>A program, or every mistake found; never both.</summary>
public sealed class CelCompilation
{
    internal CelCompilation(CelProgram? program, IReadOnlyList<CelIssue> issues)
    {
        Program = program;
        Issues = issues;
    }

    public CelProgram? Program { get; }

    public IReadOnlyList<CelIssue> Issues { get; }

    public bool TryGet([NotNullWhen(true)] out CelProgram? program, out IReadOnlyList<CelIssue> issues)
    {
        (program, issues) = (Program, Issues);
        return program is not null;
    }
}

/// <summary>Errors that are made once.</summary>
internal static class Faults
{
    public static CelValue Budget { get; } = CelValue.Error("the cost limit is exceeded");

    public static CelValue NotBool { get; } = CelValue.Error("the result is not a bool");

    public static CelValue NoOverload { get; } = CelValue.Error("no such overload");

    public static CelValue Overflow { get; } = CelValue.Error("integer overflow");

    public static CelValue Range { get; } = CelValue.Error("out of range");

    public static CelValue TooLarge { get; } = CelValue.Error("the value grows too large");

    public static CelValue DivideByZero { get; } = CelValue.Error("divide by zero");

    public static CelValue ModulusByZero { get; } = CelValue.Error("modulus by zero");
}
