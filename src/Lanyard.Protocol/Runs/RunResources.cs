namespace Lanyard.Protocol.Runs;

/// <summary>
/// <c>POST /v1/workspaces/{workspace}/collections/{collection}/runs</c>. With the header <c>Idempotency-Key</c> the same call again answers the same
/// run; the same key with another body is a conflict.
/// </summary>
/// <param name="Definition">Slug of a definition of the collection, or <c>workspace/collection/definition</c> of one that is shared with its workspace.</param>
/// <param name="Variables">Inputs, as environment variables of every step.</param>
/// <param name="Priority">-100 to 100; a higher one is offered first inside its collection. Absent: 0.</param>
/// <param name="Runner">Slug of the one runner that may take it; absent: any that serves the collection.</param>
/// <param name="Labels">What the runner must have, beside the definition's labels.</param>
/// <param name="Repository">It, ref and environment are part of the run's identity. Where a trust policy maps them, the caller's token says them, and what is
/// written here must be the same; elsewhere only an admin of the collection may state them.</param>
/// <param name="Phase">Such as <c>plan</c> or <c>apply</c>; absent: <c>run</c>. An attempt that began <c>apply</c> is never tried again.</param>
/// <param name="Action">One of <see cref="RunActions"/>, for definitions with <c>opentofu</c>; absent: apply.</param>
public sealed record CreateRun(
    string Definition,
    IReadOnlyDictionary<string, string>? Variables = null,
    int? Priority = null,
    string? Runner = null,
    IReadOnlyList<string>? Labels = null,
    string? Phase = null,
    string? Repository = null,
    string? Ref = null,
    string? Environment = null,
    string? Action = null);

/// <summary>A run as the API shows it.</summary>
/// <param name="Attempts">By number; absent in lists.</param>
/// <param name="Reason">Why it ended, where that was not its steps' doing.</param>
/// <param name="WaitingFor"><c>approval</c>: it goes on when a human says so.</param>
/// <param name="Plan">What it would change, or has changed.</param>
public sealed record RunView(
    string Id,
    string Workspace,
    string Collection,
    string Definition,
    string Phase,
    int Priority,
    string State,
    int Attempt,
    string? Reason,
    DateTimeOffset CreatedAt,
    DateTimeOffset? CancelRequestedAt,
    DateTimeOffset? FinishedAt,
    RunContext? Context = null,
    IReadOnlyDictionary<string, string>? Variables = null,
    IReadOnlyList<AttemptView>? Attempts = null,
    string? Action = null,
    string? WaitingFor = null,
    PlanSummary? Plan = null);

/// <summary>What the run was made for and by whom; part of its identity tokens' claims.</summary>
/// <param name="Actor">Name of the principal that created it.</param>
/// <param name="Source">Who says repository, ref and environment: <c>token</c> (verified claims of the creator's) or <c>stated</c> (an admin). Absent: nobody.</param>
public sealed record RunContext(string? Repository, string? Ref, string? Environment, string Actor, string? Source = null)
{
    public const string FromToken = "token";

    public const string Stated = "stated";
}

/// <param name="Attempt">Its number. Offers that lapsed have one too.</param>
/// <param name="LogComplete">Whether the server has the whole log, by length and hash; absent while the attempt goes on.</param>
/// <param name="Pod">Where it runs in a pod of its own.</param>
/// <param name="Events">What happened to it outside its steps, the oldest first; absent where nothing did.</param>
public sealed record AttemptView(
    int Attempt,
    string State,
    string? Runner,
    string? RunnerId,
    DateTimeOffset? OfferedAt,
    DateTimeOffset? AcceptedAt,
    DateTimeOffset? StartedAt,
    DateTimeOffset? EndedAt,
    string? Outcome,
    string? Reason,
    long LogBytes,
    bool? LogComplete,
    IReadOnlyList<StepView> Steps,
    PodView? Pod = null,
    IReadOnlyList<EventView>? Events = null);

public sealed record PodView(string Namespace, string Name, string Uid);

public sealed record EventView(DateTimeOffset At, string Reason, string Message);

public sealed record StepView(int Index, string Name, string State, int? ExitCode, int? Signal, DateTimeOffset? StartedAt, DateTimeOffset? EndedAt);

/// <summary>Why a run is where it is: <c>GET …/runs/{run}/why</c>.</summary>
/// <param name="Summary">One sentence for people.</param>
/// <param name="Reasons">What keeps it from going on; where it waits for a runner, one for each runner that serves its collection, and at least one.</param>
public sealed record WhyView(string Run, string State, string Summary, IReadOnlyList<WhyReason> Reasons);

/// <param name="Code">One of <see cref="WhyCodes"/>.</param>
/// <param name="Runner">The runner that it is about.</param>
public sealed record WhyReason(string Code, string Text, string? Runner = null);

public static class WhyCodes
{
    public const string Finished = "finished";

    /// <summary>Of a run that has ended: an attempt before its last.</summary>
    public const string Attempt = "attempt";

    /// <summary>Of a run that has ended: somebody asked for it.</summary>
    public const string Canceled = "canceled";

    /// <summary>Of a run that has ended: where its log is.</summary>
    public const string Log = "log";
    public const string Running = "running";
    public const string Offered = "offered";
    public const string Approval = "approval";
    public const string CollectionPaused = "collection_paused";
    public const string CollectionDraining = "collection_draining";
    public const string CollectionLimit = "collection_limit";
    public const string NoRunner = "no_runner";
    public const string NoRunnerWithLabel = "no_runner_with_label";
    public const string RunnerOffline = "runner_offline";
    public const string RunnerPaused = "runner_paused";
    public const string RunnerCordoned = "runner_cordoned";
    public const string RunnerDraining = "runner_draining";
    public const string RunnerLacksLabel = "runner_lacks_label";
    public const string RunnerAtCapacity = "runner_at_capacity";

    /// <summary>It has no room for a run, whatever places are free: its disk is full.</summary>
    public const string RunnerNoRoom = "runner_no_room";
    public const string RunnerServesAnother = "runner_serves_another";
    public const string RunnerSpent = "runner_spent";
    public const string RunnerIsAnother = "runner_is_another";
    public const string Behind = "behind";
    public const string Next = "next";
}

/// <summary>The newest first.</summary>
public sealed record RunList(IReadOnlyList<RunView> Items, string? Next = null);
