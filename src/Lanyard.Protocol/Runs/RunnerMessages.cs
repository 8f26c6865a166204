using Lanyard.Protocol.Runtime;

namespace Lanyard.Protocol.Runs;

// The run protocol: what `lanyard runner` and the server say to each other, all of it JSON (camelCase) under /v1/runner.
// Every call carries the runner's own bearer. Every call about an attempt names run and attempt number: the number fences it
// (409 stale attempt, 410 attempt over), and the runner then kills the process.

/// <summary>
/// <c>POST /v1/runner/session</c>: the runner introduces itself. A newer session of the same runner fences the older one at once.
/// </summary>
/// <param name="Nonce">Random, 16 to 64 characters: a repeated call with it is the same session (the answer may have been lost).</param>
/// <param name="Concurrency">How many attempts it runs at once, 1 to 500.</param>
/// <param name="Executors">What it can execute: <c>process</c>, <c>kubernetes</c>.</param>
/// <param name="Sandboxed">Each attempt has a sandbox of its own. Without one, the server offers work of one collection only.</param>
public sealed record SessionRequest(string Nonce, string Version, int Concurrency, IReadOnlyList<string> Labels, IReadOnlyList<string> Executors, bool Sandboxed);

/// <param name="LeaseSeconds">Life of an attempt's lease; the runner renews at a third of it and stops itself before it ends.</param>
/// <param name="Collections">What the runner serves now, as <c>workspace/collection</c>.</param>
/// <param name="Ephemeral">True: it is given one run and must end after it.</param>
public sealed record SessionResponse(
    string Session, string Runner, string Name, int LeaseSeconds, int PollSeconds, int MaxLogChunkBytes, IReadOnlyList<string> Collections, bool? Ephemeral = null);

/// <summary>An attempt that the runner believes it holds, or an offer whose accept is on its way.</summary>
/// <param name="State">
/// One of <see cref="AttemptStates"/>. An offer is <c>offered</c>: one that is not named is made again in every poll before any other, one that is named is not made again; naming it neither accepts nor prolongs it.
/// </param>
public sealed record Hold(string Run, int Attempt, string State);

/// <summary><c>POST /v1/runner/poll</c>: a long poll for work that also reports what is held. Answered at once if any answer is not <c>keep</c>.</summary>
/// <param name="Free">How many further attempts the runner would take now; with 0 the poll serves for heartbeat and cancels only.</param>
/// <param name="WaitSeconds">How long the server may wait for work, 0 to 50.</param>
/// <param name="Holds">At most 500.</param>
/// <param name="NoRoom">Why no further run could begin, whatever places are free: <c>disk</c>, or another word that people understand. Null: one could.</param>
public sealed record PollRequest(string Session, int Free, int WaitSeconds, IReadOnlyList<Hold> Holds, string? NoRoom = null);

/// <summary>Why a runner takes no run although it has a free place.</summary>
public static class NoRoomReasons
{
    /// <summary>The disk of its host is full.</summary>
    public const string Disk = "disk";
}

/// <param name="Drain">True: nothing more will be offered; the process is to end when what it holds has ended.</param>
public sealed record PollResponse(IReadOnlyList<Offer> Offers, IReadOnlyList<HoldAnswer> Answers, bool? Drain = null);

/// <summary>Work on offer. Not the runner's before it has accepted; the offer lapses at <paramref name="ExpiresAt"/>.</summary>
public sealed record Offer(string Run, int Attempt, string Workspace, string Collection, DateTimeOffset ExpiresAt);

/// <param name="Answer">One of <see cref="HoldAnswers"/>.</param>
/// <param name="LeaseSeconds">Seconds left of the lease after a <c>keep</c>; the runner counts them from before it sent the call.</param>
/// <param name="TimeoutSeconds">How long the attempt may take from its start, where that was extended since its payload was made; null: as it says.</param>
public sealed record HoldAnswer(string Run, int Attempt, string Answer, int LeaseSeconds, int? TimeoutSeconds = null);

/// <summary><c>POST /v1/runner/heartbeat</c>: renews the leases of everything held, in one call.</summary>
public sealed record HeartbeatRequest(string Session, IReadOnlyList<Hold> Holds);

public sealed record HeartbeatResponse(IReadOnlyList<HoldAnswer> Answers);

/// <summary><c>POST /v1/runner/attempts/{run}/{attempt}/accept</c>. Idempotent for the same session: the answer is the same again.</summary>
public sealed record AcceptRequest(string Session);

/// <summary>Everything that the runner needs to run the attempt.</summary>
/// <param name="RuntimeToken">The attempt's runtime token: the runner keeps it to itself and mints the steps' identity tokens with it.</param>
/// <param name="Issuer">The workspace's issuer: its <c>/token</c> endpoint exchanges the runtime token for identity tokens.</param>
/// <param name="Variables">The run's inputs as environment variables.</param>
/// <param name="Cloud">How its tools reach their clouds; null: they reach none.</param>
/// <param name="Pod">How its pod is made, for a runner that makes one.</param>
/// <param name="Opentofu">The last step, <c>opentofu</c>, is the runner's own: it plans or applies.</param>
/// <param name="Mask">Names of variables whose values must not be in the log.</param>
/// <param name="SilenceSeconds">A step that writes nothing for so long is ended; null: it may be silent.</param>
/// <param name="Cache">Scopes of the cache, in the order in which they are searched; null: it has none.</param>
public sealed record AttemptPayload(
    string Run,
    int Attempt,
    string Workspace,
    string Collection,
    string Definition,
    string DefinitionUuid,
    string Phase,
    string Issuer,
    string DefaultAudience,
    string RuntimeToken,
    int LeaseSeconds,
    int TimeoutSeconds,
    int GraceSeconds,
    IReadOnlyList<StepPayload> Steps,
    IReadOnlyDictionary<string, string> Variables,
    CloudPayload? Cloud = null,
    PodPayload? Pod = null,
    int? SilenceSeconds = null,
    IReadOnlyList<CacheScope>? Cache = null,
    IReadOnlyList<string>? Mask = null,
    OpentofuPayload? Opentofu = null);

/// <param name="Argv">The program and its arguments; exactly one of <paramref name="Argv"/> and <paramref name="Script"/> is there.</param>
/// <param name="Script">A script for <c>/bin/sh -e</c>.</param>
/// <param name="OidcAudiences">
/// Null: no token is put into the environment. Empty: one for the workspace's default audience, as <c>LANYARD_OIDC_TOKEN</c>.
/// Otherwise one for each: the first as <c>LANYARD_OIDC_TOKEN</c>, the n-th as <c>LANYARD_OIDC_TOKEN_n</c>.
/// </param>
/// <param name="OidcSubjects">The name of the subject template of each of <paramref name="OidcAudiences"/>, null for its default; absent: all by default.</param>
/// <param name="Cache">It is handed the cache, where the attempt has one.</param>
public sealed record StepPayload(
    string Name,
    IReadOnlyList<string>? Argv,
    string? Script,
    IReadOnlyDictionary<string, string> Environment,
    int TimeoutSeconds,
    IReadOnlyList<string>? OidcAudiences,
    IReadOnlyList<string?>? OidcSubjects = null,
    bool Cache = false);

/// <summary><c>POST /v1/runner/attempts/{run}/{attempt}/start</c>: the first step is about to start.</summary>
public sealed record StartRequest(string Session);

/// <summary><c>PUT /v1/runner/attempts/{run}/{attempt}/steps/{index}</c>.</summary>
/// <param name="State"><c>running</c>, <c>succeeded</c>, <c>failed</c>, <c>canceled</c>, <c>timed_out</c> or <c>skipped</c>.</param>
/// <param name="ExitCode">Of the process; null while it runs or where it was killed by a signal.</param>
/// <param name="Signal">The number of the signal that ended it, or null.</param>
public sealed record StepReport(string Session, string State, int? ExitCode, int? Signal);

/// <summary>
/// Answer to <c>POST /v1/runner/attempts/{run}/{attempt}/log?offset=N</c> (body: bytes, <c>application/octet-stream</c>; header
/// <c>Lanyard-Session</c>). 200 when taken or already there; 416 when <c>offset</c> leaves a gap: go on from <see cref="NextOffset"/>.
/// </summary>
public sealed record LogAppended(long NextOffset);

/// <summary><c>POST /v1/runner/attempts/{run}/{attempt}/end</c>: the process is dead. Idempotent.</summary>
/// <param name="Outcome"><c>succeeded</c>, <c>failed</c>, <c>canceled</c>, <c>timed_out</c>, or <c>runner_error</c> (the runner could not run it).</param>
/// <param name="LogBytes">Total bytes of the log, and its SHA-256 in lower-case hex: the server checks both.</param>
/// <param name="Plan">Of an attempt that has planned; the plan itself came before.</param>
/// <param name="Masked">How many places of the log were masked; absent: none.</param>
public sealed record EndRequest(string Session, string Outcome, string? Reason, long LogBytes, string LogSha256, long? Masked = null, PlanSummary? Plan = null);

public sealed record AttemptAnswer(string State);
