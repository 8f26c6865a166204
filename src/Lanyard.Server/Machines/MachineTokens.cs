using System.Text.Json;
using Lanyard.Protocol.Runtime;
using Lanyard.Server.Http;
using Lanyard.Server.Issuers;

namespace Lanyard.Server.Machines;

/// <summary>
/// Runtime tokens of machines. Beside the claims of every runtime token they carry <c>ac</c> (BuildKit's client refuses a token without it and reads its
/// write scope) and <c>scp</c> (the artifact client reads two ids from it). Both are for clients to read: here the machine's record decides.
/// </summary>
internal sealed class MachineTokens(Mint mint)
{
    public ValueTask<string> MintAsync(MachineRecord machine, CancellationToken cancellationToken)
    {
        var scopes = machine.Scopes.Select(static scope => new AccessControlItem(scope.Scope, CacheScope.BitsOf(scope.Permission))).ToArray();
        var claims = new Dictionary<string, string>
        {
            ["ac"] = JsonSerializer.Serialize(scopes, MachineJson.Default.AccessControlItemArray),
            ["scp"] = $"Actions.Results:{Ids.ToUuid(machine.Id)}:{Ids.ToUuid(machine.Id)}",
        };
        return mint.RuntimeTokenAsync(
            PrincipalKind.Machine, machine.Id, attempt: null, machine.WorkspaceId, machine.ExpiresAt, cancellationToken, machine.Repository is null ? null : claims);
    }
}
