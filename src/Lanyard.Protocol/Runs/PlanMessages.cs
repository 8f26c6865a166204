namespace Lanyard.Protocol.Runs;

/// <summary>What a run of a definition with <c>opentofu</c> does.</summary>
public static class RunActions
{
    /// <summary>Plan, and apply it once it is approved. Also when nothing is said.</summary>
    public const string Apply = "apply";

    /// <summary>Plan and no more.</summary>
    public const string Plan = "plan";

    /// <summary>Plan the end of everything, and apply that once it is approved.</summary>
    public const string Destroy = "destroy";

    /// <summary>Look whether what exists is still as the state says; change nothing.</summary>
    public const string Drift = "drift";

    public static bool IsKnown(string action) => action is Apply or Plan or Destroy or Drift;
}

/// <summary>What a plan would change.</summary>
/// <param name="Outputs">Values of outputs would change.</param>
/// <param name="Drifted">Resources that are no longer as the state says.</param>
public sealed record PlanSummary(int Add, int Change, int Destroy, bool Outputs, int Drifted)
{
    /// <summary>There is something to apply.</summary>
    public bool HasChanges => Add + Change + Destroy > 0 || Outputs;
}

/// <summary>How an attempt plans or applies. The phase says which of the two.</summary>
/// <param name="Action">One of <see cref="RunActions"/>.</param>
public sealed record OpentofuPayload(string Action, IReadOnlyDictionary<string, string>? Files, string? Folder);

/// <summary>A state of a collection.</summary>
/// <param name="Version">Grows with each write; the last 20 are kept.</param>
/// <param name="Run">That wrote it last; null: somebody pushed it.</param>
public sealed record StateView(string Name, long Version, long Bytes, DateTimeOffset UpdatedAt, string? Run, StateLockView? Lock);

public sealed record StateLockView(string Id, string Run, int Attempt, string Phase, DateTimeOffset LockedAt);

public sealed record StateList(IReadOnlyList<StateView> Items);

/// <summary>A version of a state that is kept.</summary>
/// <param name="Run">That wrote it; null: somebody pushed it.</param>
public sealed record StateVersionView(long Version, long Bytes, DateTimeOffset WrittenAt, string? Run);

/// <summary>The newest first.</summary>
public sealed record StateVersionList(IReadOnlyList<StateVersionView> Items);
