using System.Collections.Frozen;

namespace Lanyard.ClusterProxy.Hygiene;

/// <summary>What happens to a request header on its way to the API server.</summary>
internal enum HeaderFate
{
    Forward,

    /// <summary>Hop-by-hop, a credential, or something that only we may say.</summary>
    Drop,

    /// <summary>Tells who a proxy before us saw: kept only from trusted ones.</summary>
    Forwarding,

    /// <summary>One of the four that Kubernetes knows: evaluated, then dropped.</summary>
    Impersonation,

    /// <summary>Looks like impersonation and is none: somebody tries what another server may read differently.</summary>
    Refuse,
}

/// <summary>
/// Names are judged without regard to case, and with <c>_</c> as <c>-</c>, since servers exist that fold them. Everything that decides
/// identity goes: <c>Authorization</c>, <c>X-Remote-*</c>, <c>Impersonate*</c> in any spelling.
/// </summary>
internal static class HeaderRules
{
    private static readonly FrozenSet<string> Dropped = new[]
    {
        "Connection", "Proxy-Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "HTTP2-Settings",
        "Authorization", "Host", "Content-Length", "Expect", "X-Content-Length",
    }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    private static readonly FrozenSet<string> NotInAnswers = new[]
    {
        "Connection", "Proxy-Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Proxy-Authenticate", "Content-Length",
    }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    public static HeaderFate Judge(string name)
    {
        if (name.Length > 0 && (name[0] | 0x20) is 'i' or 'x' or 'p' or 'f')
        {
            var special = JudgeSpecial(name);
            if (special != HeaderFate.Forward)
            {
                return special;
            }
        }

        return name.StartsWith(':') || Dropped.Contains(name) ? HeaderFate.Drop : HeaderFate.Forward;
    }

    /// <summary>Names that the <c>Connection</c> of a request may not nominate: no client has a reason to, an attacker has (CVE-2021-31999).</summary>
    public static bool IsIdentity(string name) =>
        Judge(name) is HeaderFate.Impersonation or HeaderFate.Refuse
        || Folded(name, "authorization", whole: true) || Folded(name, "x-remote", whole: false);

    public static bool IsDroppedFromAnswers(string name) => NotInAnswers.Contains(name);

    private static HeaderFate JudgeSpecial(string name)
    {
        if (Folded(name, "impersonate", whole: false))
        {
            return IsKnownImpersonation(name) ? HeaderFate.Impersonation : HeaderFate.Refuse;
        }

        if (Folded(name, "x-remote", whole: false) || Folded(name, "proxy-", whole: false))
        {
            return HeaderFate.Drop;
        }

        return Folded(name, "x-forwarded", whole: false) || Folded(name, "forwarded", whole: true) || Folded(name, "x-real-ip", whole: true)
            ? HeaderFate.Forwarding
            : HeaderFate.Forward;
    }

    private static bool IsKnownImpersonation(string name) =>
        name.Equals("Impersonate-User", StringComparison.OrdinalIgnoreCase)
        || name.Equals("Impersonate-Group", StringComparison.OrdinalIgnoreCase)
        || name.Equals("Impersonate-Uid", StringComparison.OrdinalIgnoreCase)
        || (name.Length > 18 && name.StartsWith("Impersonate-Extra-", StringComparison.OrdinalIgnoreCase));

    private static bool Folded(string name, string lower, bool whole)
    {
        if (whole ? name.Length != lower.Length : name.Length < lower.Length)
        {
            return false;
        }

        for (var i = 0; i < lower.Length; i++)
        {
            var letter = name[i] == '_' ? '-' : char.ToLowerInvariant(name[i]);
            if (letter != lower[i])
            {
                return false;
            }
        }

        return true;
    }
}
