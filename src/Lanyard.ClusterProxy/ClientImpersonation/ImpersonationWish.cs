using System.Text;
using Lanyard.ClusterProxy.Hygiene;
using Lanyard.ClusterProxy.Impersonation;
using Lanyard.Identity;
using Microsoft.AspNetCore.Http;

namespace Lanyard.ClusterProxy.ClientImpersonation;

/// <summary>Whom a client wants to be: its <c>Impersonate-*</c> headers, read once. A key's escapes are undone, as the API server does.</summary>
internal sealed record ImpersonationWish(string User, string? Uid, IReadOnlyList<string> Groups, IReadOnlyList<ExtraValue> Extras)
{
    /// <summary>Each costs a review.</summary>
    public const int MaxValues = 256;

    private const string ExtraPrefix = "Impersonate-Extra-";
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public static Outcome<ImpersonationWish> Read(IHeaderDictionary headers)
    {
        var users = new List<string>();
        var uids = new List<string>();
        var groups = new List<string>();
        var extras = new List<ExtraValue>();
        try
        {
            foreach (var (name, values) in headers.Where(h => HeaderRules.Judge(h.Key) == HeaderFate.Impersonation))
            {
                var texts = values.Select(v => Strict.GetString(Encoding.Latin1.GetBytes(v ?? "")));
                if (name.StartsWith(ExtraPrefix, StringComparison.OrdinalIgnoreCase))
                {
                    var key = Unescape(name[ExtraPrefix.Length..].ToLowerInvariant());
                    extras.AddRange(texts.Select(t => new ExtraValue(key, t)));
                }
                else
                {
                    (name.Length == "Impersonate-Group".Length ? groups : name.EndsWith("uid", StringComparison.OrdinalIgnoreCase) ? uids : users).AddRange(texts);
                }
            }
        }
        catch (DecoderFallbackException)
        {
            return new Refusal(RefusalReason.RequestMalformed, "an impersonation header is no UTF-8");
        }

        return Judge(users, uids, groups, extras);
    }

    /// <summary>In the API server's order: user, groups, extras, UID; the first "no" ends it.</summary>
    public IEnumerable<ImpersonateCheck> Checks() =>
    [
        ImpersonateCheck.OfUser(User),
        .. Groups.Select(ImpersonateCheck.OfGroup),
        .. Extras.Select(e => ImpersonateCheck.OfExtra(e.Key, e.Value)),
        .. Uid is null ? [] : new[] { ImpersonateCheck.OfUid(Uid) },
    ];

    private static Outcome<ImpersonationWish> Judge(List<string> users, List<string> uids, List<string> groups, List<ExtraValue> extras)
    {
        if (users is not [{ Length: > 0 } user] || uids.Count > 1)
        {
            return new Refusal(RefusalReason.RequestMalformed, "impersonation needs exactly one user, and at most one UID");
        }

        // The API server lowers a key before it undoes the escapes, so that a capital can come as an escape only; our own spelling of the key would lose it, and then another
        // key would go on than was judged.
        if (extras.Exists(static e => e.Key.Any(char.IsUpper)))
        {
            return new Refusal(RefusalReason.RequestMalformed, "an extra's key to impersonate has a capital");
        }

        if (1 + uids.Count + groups.Count + extras.Count > MaxValues)
        {
            return new Refusal(RefusalReason.RequestTooLarge, $"over {MaxValues} values to impersonate");
        }

        return new ImpersonationWish(user, uids.SingleOrDefault(), groups, extras);
    }

    /// <summary>Percent escapes undone; where one is broken the key stays as it is (the API server's "almost percent-escaped").</summary>
    internal static string Unescape(string key)
    {
        var bytes = new List<byte>(key.Length);
        for (var i = 0; i < key.Length; i++)
        {
            if (key[i] != '%')
            {
                bytes.Add((byte)key[i]);
            }
            else if (i + 2 < key.Length && char.IsAsciiHexDigit(key[i + 1]) && char.IsAsciiHexDigit(key[i + 2]))
            {
                bytes.Add(Convert.ToByte(key.Substring(i + 1, 2), 16));
                i += 2;
            }
            else
            {
                return key;
            }
        }

        return Strict.GetString([.. bytes]);
    }
}
