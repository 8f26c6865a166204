namespace Lanyard.Server.Audit;

internal sealed record AuditOptions
{
    /// <summary>Top-level claims whose values are not stored. By default those that name people.</summary>
    public IReadOnlyList<string> RedactedClaims { get; init; } = ["email", "name", "given_name", "family_name", "preferred_username", "phone_number"];

    /// <summary>A checkpoint is made after so many events; it also goes to the server's log, which an intruder in the database does not reach.</summary>
    public int CheckpointEvery { get; init; } = 1000;
}
