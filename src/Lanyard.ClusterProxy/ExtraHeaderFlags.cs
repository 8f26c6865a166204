using Lanyard.ClusterProxy.Impersonation;

namespace Lanyard.ClusterProxy;

/// <summary>kube-oidc-proxy's flags of extras, and those whose wish is always met here.</summary>
internal static class ExtraHeaderFlags
{
    private const string ClientIp = "--extra-user-header-client-ip";

    /// <summary>Those that give users extras.</summary>
    public static readonly IReadOnlyList<Flag> OfExtras =
    [
        new("--extra-user-headers", "KEY=VALUE extras that every user gets, with commas between.", Repeats: true),
        new(ClientIp, "Give every user the extra Remote-Client-IP.", IsSwitch: true),
    ];

    public static readonly IReadOnlyList<Flag> Flags =
    [
        .. OfExtras,
        new("--readiness-probe-port", "Port of /ready and the other health paths on every address, when --health-listen is not given."),
        new("--flush-interval", "Taken for kube-oidc-proxy's sake: every piece of an answer is flushed at once."),
    ];

    /// <summary>Keys of the extras that every user gets, as the API server reads them.</summary>
    public static IEnumerable<string> KeysOf(CommandLine line) =>
        [.. Read(line).Select(static e => e.Key.ToLowerInvariant()), .. line.Switch(ClientIp) ? new[] { "remote-client-ip" } : []];

    public static IReadOnlyList<ExtraValue> Read(CommandLine line)
    {
        var extras = new List<ExtraValue>();
        foreach (var text in line.List("--extra-user-headers"))
        {
            var equals = text.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0 || equals == text.Length - 1)
            {
                line.Mistakes.Add("--extra-user-headers", $"{text} is not KEY=VALUE");
            }
            else
            {
                extras.Add(new ExtraValue(text[..equals], text[(equals + 1)..]));
            }
        }

        return extras;
    }
}
