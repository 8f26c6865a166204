using System.Reflection;
using System.Runtime.InteropServices;
using SQLitePCL;

namespace Lanyard.Server.Storage;

/// <summary>
/// Which SQLite is called: the system's library where there is one (newer, and patched by the distribution), else the bundled one.
/// </summary>
internal static class SqliteNative
{
    private static readonly Lock Gate = new();
    private static bool _done;

    public static void Use()
    {
        lock (Gate)
        {
            if (_done)
            {
                return;
            }

            NativeLibrary.SetDllImportResolver(typeof(SQLite3Provider_e_sqlite3).Assembly, Resolve);
            Batteries_V2.Init();
            _done = true;
        }
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path) =>
        name == "e_sqlite3" && NativeLibrary.TryLoad("libsqlite3.so.0", out var system) ? system : nint.Zero;
}
