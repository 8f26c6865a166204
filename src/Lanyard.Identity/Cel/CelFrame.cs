namespace Lanyard.Identity.Cel;

/// <summary>The bounds of a compilation and of each evaluation. The defaults are those of Kubernetes where it has one.</summary>
public sealed record CelLimits
{
    public static CelLimits Default { get; } = new();

    /// <summary>UTF-16 units of an expression's text.</summary>
    public int MaxLength { get; init; } = 16 * 1024;

    /// <summary>How deep an expression may nest.</summary>
    public int MaxDepth { get; init; } = 100;

    /// <summary>Nodes of the syntax tree.</summary>
    public int MaxNodes { get; init; } = 4096;

    /// <summary>Cost units of one evaluation (Kubernetes' per-call limit): about one a step, one for ten characters read.</summary>
    public long MaxCost { get; init; } = 1_000_000;

    /// <summary>The longest text of a variable, for <see cref="CelProgram.WorstCost"/>: tokens are no longer.</summary>
    public int MaxInput { get; init; } = 16 * 1024;

    /// <summary>UTF-16 units of a regular expression.</summary>
    public int MaxPatternLength { get; init; } = 1000;
}

/// <summary>One evaluation under way: variables, locals and the cost so far. Lives on the stack.</summary>
internal ref struct CelFrame(CelValue[] variables, CelValue[] locals, CelLimits limits)
{
    /// <summary>Longest text, list or bytes that an expression may make.</summary>
    public const int MaxSize = 1 << 20;

    public readonly CelValue[] Variables = variables;
    public readonly CelValue[] Locals = locals;
    public readonly CelLimits Limits = limits;
    private readonly long _limit = limits.MaxCost;
    private long _cost;

    /// <summary>For comparisons outside of an evaluation, of values that are bounded already.</summary>
    public static CelFrame Unbounded => new([], [], UnboundedLimits);

    public readonly long Cost => _cost;

    public readonly bool IsExhausted => _cost > _limit;

    private static CelLimits UnboundedLimits { get; } = new() { MaxCost = long.MaxValue / 2 };

    /// <summary>False once the budget is used up; whoever loops must then stop.</summary>
    public bool Charge(long units)
    {
        _cost += units;
        return _cost <= _limit;
    }

    /// <summary>Reading text costs a tenth of a unit a character.</summary>
    public bool ChargeText(int length) => Charge(1 + (length / 10));
}
