using System.Globalization;
using Lanyard.Identity;
using Lanyard.Server.Audit;

namespace Lanyard.Server.Cache;

/// <summary>
/// Tells the audit whom a scope or a limit refused: once a minute for each caller, action and reason, with the count of those in between. A caller that comes again and again fills no audit,
/// and costs no write to the database. That a key is taken is the usual answer to who saves what is there: nobody is told.
/// </summary>
internal sealed class CacheRefusals(AuditLog audit, TimeProvider time)
{
    private const int Most = 10_000;
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<(string Workspace, string Who, string Action, RefusalReason Reason), (DateTimeOffset Told, long Untold)> _told = [];

    /// <param name="about">With its workspace and its refusal.</param>
    /// <param name="who">The machine, attempt or job.</param>
    public Task TellAsync(AuditEvent about, string who)
    {
        if (Take((about.WorkspaceId!, who, about.Action, about.Refusal!.Reason)) is not { } untold) return Task.CompletedTask;
        return audit.RecordAsync(untold == 0 ? about : about with
        {
            Details = new Dictionary<string, string>(about.Details ?? new Dictionary<string, string>()) { ["untold"] = untold.ToString(CultureInfo.InvariantCulture) },
        });
    }

    /// <returns>How many were not told since the last time; null: this one is not either.</returns>
    private long? Take((string Workspace, string Who, string Action, RefusalReason Reason) one)
    {
        lock (_gate)
        {
            var now = time.GetUtcNow();
            if (_told.TryGetValue(one, out var before) && now - before.Told < Minute)
            {
                _told[one] = before with { Untold = before.Untold + 1 };
                return null;
            }

            if (_told.Count >= Most) _told.Clear();
            _told[one] = (now, 0);
            return before.Untold;
        }
    }
}
