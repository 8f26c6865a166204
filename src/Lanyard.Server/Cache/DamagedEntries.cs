using System.Globalization;
using Lanyard.Server.Audit;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Cache;

/// <summary>Takes entries out of service whose bytes are missing or not what was written. Somebody may have changed them, so the audit hears of it, once an entry.</summary>
internal sealed class DamagedEntries(CacheEntryStore entries, AuditLog audit, ILogger<DamagedEntries> logger)
{
    /// <param name="about">What the audit is told beside: who came upon it.</param>
    /// <param name="what">What is wrong with them; null: they are missing.</param>
    public async Task TakeOutAsync(CacheEntry entry, AuditEvent about, string? what)
    {
        if (what is null) logger.BytesMissing(entry.Id, entry.Blob);
        else logger.BytesDamaged(entry.Id, entry.Blob, what);
        if (await entries.MarkDamagedAsync(entry.Id, CancellationToken.None) == 0) return;
        await audit.RecordAsync(about with
        {
            WorkspaceId = entry.WorkspaceId,
            Target = entry.Id.ToString(CultureInfo.InvariantCulture),
            Details = new Dictionary<string, string>(entry.Details) { ["what"] = what ?? "missing" },
        });
    }
}
