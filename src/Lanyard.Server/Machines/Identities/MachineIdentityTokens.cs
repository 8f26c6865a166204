using Lanyard.Identity;
using Lanyard.Server.Workspaces;

namespace Lanyard.Server.Machines.Identities;

/// <summary>
/// Which identity tokens a machine may have. Only one whose host has proved itself has any, for the audiences that an admin wrote beside the proof: whoever merely
/// registers a machine could say anything of it. What is written now holds, so that taking an audience or the identity away is felt by machines that live.
/// </summary>
internal sealed class MachineIdentityTokens(MachineDirectory machines, MachineIdentityStore identities, WorkspaceDirectory workspaces)
{
    /// <returns>Or SubjectEnded, AudienceNotAllowed.</returns>
    public async ValueTask<Outcome<MachineGrant>> GrantAsync(string id, string audience, CancellationToken cancellationToken)
    {
        if (await machines.FindAliveAsync(id, cancellationToken) is not { } machine) return new Refusal(RefusalReason.SubjectEnded, $"{id} has ended");
        if (machine.Identity is null || workspaces.FindById(machine.WorkspaceId) is not { } workspace || await identities.FindByIdAsync(machine.Identity, cancellationToken) is not { } identity)
            return new Refusal(RefusalReason.AudienceNotAllowed, $"{id} has no identity of its own: nobody proved it, or its machine identity is gone");
        return identity.Spec.Audiences?.Contains(audience, StringComparer.Ordinal) == true
            ? new MachineGrant(workspace.Id, workspace.Slug, identity.Slug, machine)
            : new Refusal(RefusalReason.AudienceNotAllowed, $"the machine identity {identity.Slug} does not allow the audience {audience}");
    }

    public async ValueTask<bool> IsAliveAsync(string id, CancellationToken cancellationToken) => await machines.FindAliveAsync(id, cancellationToken) is not null;
}

/// <summary>What a machine's identity token says.</summary>
/// <param name="Identity">Slug of its machine identity.</param>
internal sealed record MachineGrant(string WorkspaceId, string Workspace, string Identity, MachineRecord Machine)
{
    /// <summary>No subject of a run or a policy begins so, unless an admin of the workspace writes it.</summary>
    public string Subject => $"workspace:{Workspace}:machine:{Identity}";
}
