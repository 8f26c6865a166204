using System.Text.RegularExpressions;
using Lanyard.Identity.Trust;

namespace Lanyard.Server.Audit;

internal sealed record AuditOptions
{
    /// <summary>Top-level claims whose values are not stored, nor told in evidence. By default those that name people.</summary>
    public IReadOnlyList<string> RedactedClaims
    {
        get;
        init
        {
            field = value;
            Seen = SeenOf([.. value.Except(PersonalClaims.Names, StringComparer.Ordinal)]);
        }
    }

    = PersonalClaims.Names;

    /// <summary>Finds the value where a line says what a condition saw of one of them; null: conditions show none of them by themselves.</summary>
    public Regex? Seen { get; private init; }

    /// <summary>
    /// Decisions about tokens keep the verified claims, so that past ones can be judged by a draft policy. It makes events larger: off unless it is asked for.
    /// </summary>
    public bool KeepClaims { get; init; }

    /// <summary>A checkpoint is made after so many events; it also goes to the server's log, which an intruder in the database does not reach.</summary>
    public int CheckpointEvery { get; init; } = 1000;

    private static Regex? SeenOf(IReadOnlyList<string> claims) => claims.Count == 0
        ? null
        : new Regex($@"((?:^|[ :])(?:{string.Join('|', claims.Select(Regex.Escape))})(?:[.\[]\S*)? is ).*(?=, wanted)", RegexOptions.CultureInvariant | RegexOptions.Singleline);
}
