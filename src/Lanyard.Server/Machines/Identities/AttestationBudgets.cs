using System.Net;
using Lanyard.Identity;
using Lanyard.Server.Http;

namespace Lanyard.Server.Machines.Identities;

/// <summary>
/// How often hosts are given machines, by machine identity, and refused, by address; for each replica. A host that proves itself is let in however often a neighbour
/// behind the same address is refused: only refusals are counted by address, and what is refused beyond that is neither told why nor written into the audit one by one.
/// </summary>
internal sealed class AttestationBudgets(TimeProvider time)
{
    public const int PerMinute = 60;

    private const int Most = 100_000;
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private readonly Budget _made = new(time, PerMinute, Most, Minute);
    private readonly Budget _refused = new(time, PerMinute, Most, Minute);
    private readonly Budget _told = new(time, 1, Most, Minute);

    /// <param name="identity">Id of the machine identity that was proved.</param>
    /// <param name="perMinute">What its admin wrote.</param>
    /// <returns>True; or TooManyRequests.</returns>
    public Outcome<bool> Take(string identity, int? perMinute) =>
        _made.TrySpend(identity, perMinute) ? true : new Refusal(RefusalReason.TooManyRequests, $"by {identity} {perMinute ?? PerMinute} machines were made in a minute");

    /// <returns>What to answer, and whether the audit is to hear of it: of refusals beyond the bound it hears once a minute and address.</returns>
    public (Refusal Told, bool IsNew) Refused(IPAddress? address, Refusal why)
    {
        var name = Budget.NameOf(address);
        return _refused.TrySpend(name)
            ? (why, true)
            : (new Refusal(RefusalReason.TooManyRequests, $"{name} was refused {PerMinute} times in a minute; now: {why.Detail}"), _told.TrySpend(name));
    }
}
