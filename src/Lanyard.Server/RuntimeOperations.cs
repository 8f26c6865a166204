using Lanyard.Identity;
using Lanyard.Protocol.Runs;
using Lanyard.Protocol.Runtime;
using Lanyard.Server.Collections;
using Lanyard.Server.Http;
using Lanyard.Server.Machines;
using Lanyard.Server.Operations;
using Lanyard.Server.Runs;
using Lanyard.Server.Runtime;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Lanyard.Server;

/// <summary>Joins the operations of the runtime API to runs and machines, which it does not know.</summary>
internal sealed class RuntimeOperations(IServiceProvider services)
{
    public static OperationQuestions Questions(IServiceProvider services)
    {
        var operations = new RuntimeOperations(services);
        return new OperationQuestions(operations.CallerOfAsync, operations.FindAsync, operations.StartAsync, operations.ExtendAsync, operations.CancelAsync);
    }

    private async ValueTask<OperationCaller?> CallerOfAsync(RuntimeSubject subject, CancellationToken cancellation)
    {
        if (subject.Kind == PrincipalKind.Machine)
        {
            var machine = await services.GetRequiredService<MachineDirectory>().FindAliveAsync(subject.Id, cancellation);
            return machine?.Operations is { } of
                ? new OperationCaller([.. of.Select(static one => new OperationGrant(one.CollectionId, one.Collection, one.Definition, one.Actions, one.Phases))], new(subject.Id, 0))
                : null;
        }

        if (subject.Kind != PrincipalKind.Run || await DocumentOfAsync(subject.Id, cancellation) is not { Spec.Operations: { } operations } document) return null;
        return new OperationCaller(
            [.. operations.Select(one => new OperationGrant(document.CollectionId, document.Collection, one.Definition, one.Actions, one.Phases))],
            document.Origin is { } origin ? new OperationChain(origin.Root, origin.Depth) : new OperationChain(subject.Id, 0));
    }

    private async ValueTask<RuntimeRunView?> FindAsync(string collectionId, string run, CancellationToken cancellation) =>
        await services.GetRequiredService<RunQueries>().FindAsync(collectionId, run, cancellation) is { } listed ? ViewOf(listed.Run, listed.Definition) : null;

    /// <summary>
    /// A run that is started by another is made for the same repository, ref and environment: what a verified token said of the first holds for it. What a machine was
    /// registered with was stated by its operator, and says nothing here.
    /// </summary>
    private async ValueTask<Outcome<RuntimeRunView>> StartAsync(
        HttpContext context, RuntimeSubject subject, OperationGrant grant, RuntimeRunRequest request, OperationChain chain, CancellationToken cancellation)
    {
        if (services.GetRequiredService<CollectionDirectory>().FindById(grant.CollectionId) is not { } collection) return Access.Missing($"the collection {grant.Collection} is gone");
        var wanted = new CreateRun(request.Definition, request.Variables, Phase: request.Phase);
        var mistakes = CreateRunRules.Check(wanted);
        if (mistakes.Count > 0) return new Refusal(RefusalReason.RequestMalformed, mistakes[0].ToString());
        var parent = subject.Kind == PrincipalKind.Run ? (await DocumentOfAsync(subject.Id, cancellation))?.Context : null;
        var facts = new RunContext(parent?.Repository, parent?.Ref, parent?.Environment, subject.Id, parent?.Source);
        var created = await services.GetRequiredService<RunCreation>().CreateAsync(
            collection, wanted, facts, null,
            id => OperationEndpoints.EventOf(context, subject, "operation.start", id) with
            {
                CollectionId = collection.Id,
                Details = new Dictionary<string, string>(StringComparer.Ordinal)
                {
                    ["by"] = subject.Key, ["root"] = chain.Root, ["depth"] = chain.Depth.ToString(System.Globalization.CultureInfo.InvariantCulture), ["definition"] = request.Definition,
                },
            },
            mistakes, cancellation, new RunOrigin(chain.Root, subject.Id, chain.Depth));
        if (!created.TryGet(out var run, out var refusal)) return refusal;
        return ViewOf(run.New!.Listed.Run, request.Definition);
    }

    private ValueTask<Outcome<RuntimeRunView>> CancelAsync(HttpContext context, RuntimeSubject subject, RuntimeRunView run, CancellationToken cancellation)
    {
        var rules = services.GetRequiredService<RunRules>();
        return ChangeAsync(context, subject, run, OperationRules.Cancel, row => rules.Cancel(row), cancellation);
    }

    private async ValueTask<Outcome<RuntimeRunView>> ExtendAsync(HttpContext context, RuntimeSubject subject, RuntimeRunView run, int seconds, CancellationToken cancellation)
    {
        // The Job of an attempt in a pod has a deadline of its own, which nobody but its cluster moves.
        if (run.Attempt > 0 && (await services.GetRequiredService<PodStore>().OfRunAsync(run.Id, cancellation)).Any(pod => pod.Attempt == run.Attempt))
            return new Refusal(RefusalReason.Conflict, $"{run.Id} runs in a pod, whose deadline stands");
        return await ChangeAsync(context, subject, run, OperationRules.Extend, row => RunRules.Extend(row, seconds), cancellation);
    }

    private async ValueTask<Outcome<RuntimeRunView>> ChangeAsync(
        HttpContext context, RuntimeSubject subject, RuntimeRunView run, string action, Func<RunRecord, Outcome<RunRecord>> rule, CancellationToken cancellation)
    {
        var outcome = await services.GetRequiredService<RunChanges>().ApplyAsync(
            run.Id, rule, change => OperationEndpoints.EventOf(context, subject, "operation." + action, run.Id) with { CollectionId = change.After.Collection }, cancellation);
        return outcome.TryGet(out var done, out var refusal) ? ViewOf(done.After, run.Definition) : refusal;
    }

    private async ValueTask<RunDocument?> DocumentOfAsync(string run, CancellationToken cancellation) =>
        await services.GetRequiredService<RunCaches>().DocumentOfAsync(run, cancellation);

    private RuntimeRunView ViewOf(RunRecord run, string definition) => new(
        run.Id, services.GetRequiredService<CollectionDirectory>().FindById(run.Collection)?.Slug ?? "", definition, run.State, run.Attempt, run.TimeoutSeconds);
}
