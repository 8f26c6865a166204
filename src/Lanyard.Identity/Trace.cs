namespace Lanyard.Identity;

/// <summary>What one step of the chain found. The text is for operators: it may hold claim values, never a token.</summary>
public sealed record TraceStep(Stage Stage, bool Passed, string Text);

/// <summary>A trust policy that was considered in step 9.</summary>
/// <param name="Why">Of one that does not match: its first condition that fails, with what was seen.</param>
/// <param name="Change">What would have to change for it to match.</param>
public sealed record ConsideredPolicy(string Policy, bool Matches, string? Why, string? Change);

/// <summary>
/// The steps of one judgement in order, for <c>lanyard explain</c> and audit. Everything that judges takes a <c>Trace?</c>;
/// with null nothing is written down and no text is built.
/// </summary>
public sealed class Trace
{
    private readonly List<TraceStep> _steps = [];

    public IReadOnlyList<TraceStep> Steps => _steps;

    private readonly List<ConsideredPolicy> _policies = [];

    public IReadOnlyList<ConsideredPolicy> Policies => _policies;

    public void Consider(ConsideredPolicy policy) => _policies.Add(policy);

    public void Pass(Stage stage, string text) => _steps.Add(new TraceStep(stage, true, text));

    public void Refuse(Refusal refusal)
    {
        ArgumentNullException.ThrowIfNull(refusal);
        _steps.Add(new TraceStep(refusal.Stage, false, $"{refusal.Reason}: {refusal.Detail}"));
    }
}
