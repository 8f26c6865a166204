using Lanyard.Identity;
using Lanyard.Server.Http;

namespace Lanyard.Server.Federation;

/// <summary>
/// What the trust records that vouch for one token make of it, until one principal comes of all of it. Several workspaces may have a record each for one issuer, with
/// keys of their own among the issuer's: whose runner or pod it is in one of them takes nothing from another.
/// </summary>
internal sealed class Vouched
{
    private readonly List<PrincipalFacet> _facets = [];

    /// <summary>Runners and pods, and the workspace of the record that says so; null: the instance's.</summary>
    private readonly List<(Principal Principal, string? Place)> _standing = [];

    /// <summary>Where it is a runner or pod, also one that has ended: there it is nothing else.</summary>
    private readonly List<string> _taken = [];

    public void Add(PrincipalFacet facet) => _facets.Add(facet);

    /// <param name="workspaceId">The runner's or pod's; null: it is shared.</param>
    /// <param name="outcome">Or why it has ended.</param>
    public void Add(string? workspaceId, KnownIssuer record, Outcome<Principal> outcome)
    {
        if (workspaceId is not null) _taken.Add(workspaceId);
        if (!outcome.IsRefused) _standing.Add((outcome.Value, record.Record.WorkspaceId));
    }

    /// <param name="bare">What policies give to.</param>
    /// <param name="isRun">At the run protocol it is a runner or pod first, everywhere else whoever the policies of others say.</param>
    /// <param name="workspaceId">That the caller has named; null: none.</param>
    /// <returns>Null: nobody has said anything.</returns>
    public Outcome<Principal>? Choose(Principal bare, bool isRun, string? workspaceId)
    {
        if (_taken.Count > 0) _facets.RemoveAll(facet => facet.WorkspaceId is { } place && _taken.Contains(place, StringComparer.Ordinal));
        if (_facets.Count > 0 && (_standing.Count == 0 || !isRun)) return PrincipalFacet.Together(bare, _facets);
        return _standing.Count == 0 ? (Outcome<Principal>?)null : Standing(workspaceId);
    }

    /// <summary>The named workspace's; else the instance's, whose admin stands above; else the only workspace's.</summary>
    private Outcome<Principal> Standing(string? workspaceId)
    {
        string?[] places = workspaceId is null ? [null] : [workspaceId, null];
        foreach (var place in places)
            if (_standing.FirstOrDefault(one => one.Place == place) is { Principal: { } known }) return known;
        return _standing.All(one => one.Place == _standing[0].Place)
            ? _standing[0].Principal
            : new Refusal(RefusalReason.WorkspaceAmbiguous, $"{string.Join(" and ", _standing.Select(static one => $"{one.Principal.Name} of {one.Place}"))}, and the caller names no workspace");
    }
}
