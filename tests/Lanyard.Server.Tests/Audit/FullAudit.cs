using Lanyard.Server.Storage;
using Lanyard.Server.Tests.Storage;

namespace Lanyard.Server.Tests.Audit;

/// <summary>The disk is full for the audit, and only for it.</summary>
internal static class FullAudit
{
    public static async Task BreakAsync(Database database, DatabaseKind kind)
    {
        if (kind == DatabaseKind.Sqlite)
        {
            await database.ExecuteAsync($"create trigger audit_full before insert on audit_events begin select raise(abort, 'the disk is full'); end");
            return;
        }

        await database.ExecuteAsync($"create function audit_full() returns trigger language plpgsql as 'begin raise exception ''the disk is full''; end'");
        await database.ExecuteAsync($"create trigger audit_full before insert on audit_events for each row execute function audit_full()");
    }

    public static Task<int> MendAsync(Database database, DatabaseKind kind) => kind == DatabaseKind.Sqlite
        ? database.ExecuteAsync($"drop trigger audit_full")
        : database.ExecuteAsync($"drop function audit_full() cascade");
}
