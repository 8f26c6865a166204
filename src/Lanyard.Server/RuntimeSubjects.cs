using Lanyard.Protocol.Runtime;
using Lanyard.Server.Http;
using Lanyard.Server.Machines;
using Lanyard.Server.Runs;
using Lanyard.Server.Runtime;
using Microsoft.Extensions.DependencyInjection;

namespace Lanyard.Server;

/// <summary>Joins two rooms that do not know each other: what the runtime API calls a subject is a machine, or a run, of another.</summary>
internal static class RuntimeSubjects
{
    public static RuntimeQuestions Questions(IServiceProvider services)
    {
        var machines = services.GetRequiredService<MachineDirectory>();
        var sightings = services.GetRequiredService<MachineSightings>();
        var caches = new Lazy<RunCaches>(services.GetRequiredService<RunCaches>);
        var attempts = new Lazy<AttemptLiveness>(services.GetRequiredService<AttemptLiveness>);
        return new RuntimeQuestions(
            SubjectOf: async (principal, cancellation) => principal.Kind switch
            {
                PrincipalKind.Machine => await machines.FindAliveAsync(principal.SubjectId!, cancellation) is { } machine ? Seen(principal, machine) : null,

                // The door has asked whether its attempt lives.
                PrincipalKind.Run => await caches.Value.FindAsync(principal.SubjectId!, cancellation) is { } cache ? Of(principal, cache) : Bare(principal),
                PrincipalKind.Workflow => Of(principal, principal.Workflow!),
                _ => null,
            },
            HasEnded: async (key, cancellation) => RuntimeSubject.AttemptOf(key) is { } of
                ? !await attempts.Value.IsAliveAsync(of.Run, of.Attempt, cancellation)
                : key.StartsWith("machine_", StringComparison.Ordinal) && await machines.HasEndedAsync(key, cancellation));

        RuntimeSubject Seen(Principal principal, MachineRecord machine)
        {
            sightings.Saw(machine.Id);
            return Of(principal, machine);
        }
    }

    private static RuntimeSubject Of(Principal principal, MachineRecord machine) => Bare(principal) with
    {
        WorkspaceId = machine.WorkspaceId,
        Repository = machine.Repository,
        Ref = machine.Ref,
        Scopes = [.. machine.Scopes.Select(static scope => new ScopeGrant(scope.Scope, (ScopePermission)CacheScope.BitsOf(scope.Permission)))],
        Actor = machine.CreatedBy,
    };

    private static RuntimeSubject Of(Principal principal, RunCache cache) => Bare(principal) with
    {
        Repository = cache.Repository,
        Ref = cache.Ref,
        Scopes = [.. cache.Scopes.Select(static scope => new ScopeGrant(scope.Scope, (ScopePermission)CacheScope.BitsOf(scope.Permission)))],
        Actor = cache.Actor,
    };

    private static RuntimeSubject Of(Principal principal, WorkflowFacts facts) => Bare(principal) with
    {
        Repository = facts.Repository,
        Ref = facts.Ref,
        Workflow = facts.File,
        Scopes = [.. facts.Scopes.Select(static scope => new ScopeGrant(scope.Key, (ScopePermission)scope.Value))],
        Actor = facts.Actor,
        ResultsUrl = facts.ResultsUrl,
    };

    private static RuntimeSubject Bare(Principal principal) => new()
    {
        Kind = principal.Kind,
        Id = principal.SubjectId!,
        Attempt = principal.Attempt,
        WorkspaceId = principal.WorkspaceId!,
        TokenSha256 = principal.TokenSha256,
        ExpiresAt = principal.ExpiresAt,
    };
}
