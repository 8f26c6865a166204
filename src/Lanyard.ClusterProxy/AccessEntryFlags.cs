using Lanyard.ClusterProxy.AccessEntries;

namespace Lanyard.ClusterProxy;

/// <summary>The flags of access entries: a file, or a server's resource with the file as its copy.</summary>
internal static class AccessEntryFlags
{
    public static readonly IReadOnlyList<Flag> Flags =
    [
        new("--access-entries", "File of access entries: who becomes what; without it the claim mappings alone decide. Read again when it changes."),
        new("--access-entries-url", "Access entries that a Lanyard server keeps, https://SERVER/v1/workspaces/W/access-entries/NAME; --access-entries is then the file of the last copy."),
        new("--access-entries-token-file", "Token that the server believes, such as a projected service-account token for its URL; read for each call."),
        new("--access-entries-ca-file", "Certificate authorities of the server, PEM; default: the system's."),
    ];

    /// <returns>Null for none.</returns>
    public static EntrySourceOptions? Read(CommandLine line)
    {
        if (!line.Has("--access-entries-url"))
        {
            Flags.Skip(2).Where(f => line.Has(f.Name)).ToList().ForEach(f => line.Mistakes.Add(f.Name, "only with --access-entries-url"));

            return null;
        }

        var isUsable = Uri.TryCreate(line.Text("--access-entries-url"), UriKind.Absolute, out var url)
            && (url.Scheme == Uri.UriSchemeHttps || (url.Scheme == Uri.UriSchemeHttp && url.IsLoopback)) && url.UserInfo.Length == 0;
        if (!isUsable)
        {
            line.Mistakes.Add("--access-entries-url", "must be an https URL (http only on loopback)");
        }

        Needed(line, "--access-entries", "the file in which the copy is kept");
        Needed(line, "--access-entries-token-file", "the server tells nobody who does not show a token");

        return line.Mistakes.Any ? null : new EntrySourceOptions(url!, line.Text("--access-entries-token-file")!, line.Text("--access-entries-ca-file"), line.Text("--access-entries")!);
    }

    private static void Needed(CommandLine line, string flag, string why)
    {
        if (!line.Has(flag))
        {
            line.Mistakes.Add(flag, $"needed with --access-entries-url: {why}");
        }
    }
}
