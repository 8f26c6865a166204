using Lanyard.Identity;
using Lanyard.Protocol.Runtime;
using Lanyard.Server.Runtime;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Operations;

/// <summary>What a caller may do to the runs of one definition.</summary>
/// <param name="CollectionId">Of a run: its own, whatever it names.</param>
internal sealed record OperationGrant(string CollectionId, string Collection, string Definition, IReadOnlyList<string> Actions, IReadOnlyList<string>? Phases)
{
    public const string DefaultPhase = "run";

    public bool Allows(string action, string? phase = null) =>
        Actions.Contains(action, StringComparer.Ordinal) && (phase is null || (Phases ?? [DefaultPhase]).Contains(phase, StringComparer.Ordinal));
}

/// <summary>Where a chain of runs that started each other began, and how long it is.</summary>
/// <param name="Root">Id of the run or machine that nobody started in this way.</param>
/// <param name="Depth">0 of the root.</param>
internal sealed record OperationChain(string Root, int Depth);

/// <summary>Who may do what, and where its chain stands.</summary>
internal sealed record OperationCaller(IReadOnlyList<OperationGrant> Grants, OperationChain Chain);

/// <summary>What this room must ask of rooms that it does not know; handed in where the server is put together.</summary>
/// <param name="CallerOf">What a subject may; null: nothing was ever allowed to it.</param>
/// <param name="Find">A run of a collection.</param>
/// <param name="Start">Makes a run; a mistake in what the request names is RequestMalformed.</param>
internal sealed record OperationQuestions(
    Func<RuntimeSubject, CancellationToken, ValueTask<OperationCaller?>> CallerOf,
    Func<string, string, CancellationToken, ValueTask<RuntimeRunView?>> Find,
    Func<HttpContext, RuntimeSubject, OperationGrant, RuntimeRunRequest, OperationChain, CancellationToken, ValueTask<Outcome<RuntimeRunView>>> Start,
    Func<HttpContext, RuntimeSubject, RuntimeRunView, int, CancellationToken, ValueTask<Outcome<RuntimeRunView>>> Extend,
    Func<HttpContext, RuntimeSubject, RuntimeRunView, CancellationToken, ValueTask<Outcome<RuntimeRunView>>> Cancel);
