using Lanyard.Identity.Trust;

namespace Lanyard.Server.Audit;

internal sealed record AuditOptions
{
    /// <summary>Top-level claims whose values are not stored. By default those that name people.</summary>
    public IReadOnlyList<string> RedactedClaims { get; init; } = PersonalClaims.Names;

    /// <summary>
    /// Decisions about tokens keep the verified claims, so that past ones can be judged by a draft policy. It makes events larger: off unless it is asked for.
    /// </summary>
    public bool KeepClaims { get; init; }

    /// <summary>A checkpoint is made after so many events; it also goes to the server's log, which an intruder in the database does not reach.</summary>
    public int CheckpointEvery { get; init; } = 1000;
}
