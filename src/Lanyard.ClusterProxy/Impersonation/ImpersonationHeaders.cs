using System.Buffers;
using System.Text;
using Lanyard.ClusterProxy.Upstream;
using Lanyard.Identity;

namespace Lanyard.ClusterProxy.Impersonation;

/// <summary>
/// The finished <c>Impersonate-*</c> lines of one user. There is no way to make one without a user name, because the API server runs a
/// request without it as the proxy itself. One line for each group and extra value, names as client-go puts them on the wire.
/// </summary>
internal sealed class ImpersonationHeaders
{
    private const string ExtraPrefix = "Impersonate-Extra-";
    private const int LongestDraft = 16 * 1024;

    /// <summary>Every token that has a <c>jti</c> has this one, and most have no other.</summary>
    private static readonly string CredentialIdName = EscapedName(KubernetesUser.CredentialId);

    private static readonly SearchValues<char> ControlCharacters = SearchValues.Create([.. Enumerable.Range(0, ' ').Select(c => (char)c), '\u007f']);
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>What is written on before it is known how long it gets; made once for each thread, and not kept where somebody's groups made it long.</summary>
    [ThreadStatic]
    private static ArrayBufferWriter<byte>? _draft;

    private readonly byte[] _lines;

    private ImpersonationHeaders(KubernetesUser user, byte[] lines)
    {
        User = user;
        _lines = lines;
    }

    public KubernetesUser User { get; }

    /// <summary>Ends with a line break; never empty.</summary>
    public ReadOnlySpan<byte> Lines => _lines;

    /// <summary>
    /// Refuses what would change on its way through a header: empty values, control characters, blanks at the ends (servers trim them, so
    /// that <c>"admin "</c> would become <c>admin</c>), text that is no Unicode.
    /// </summary>
    public static Outcome<ImpersonationHeaders> Create(KubernetesUser user)
    {
        var into = _draft ??= new ArrayBufferWriter<byte>(256);
        into.ResetWrittenCount();
        var wrong = Line(into, "Impersonate-User", user.Name) ?? (user.Uid is null ? null : Line(into, "Impersonate-Uid", user.Uid));
        for (var i = 0; i < user.Groups.Count; i++)
        {
            wrong ??= Line(into, "Impersonate-Group", user.Groups[i]);
        }

        for (var i = 0; i < user.Extras.Count; i++)
        {
            var extra = user.Extras[i];
            wrong ??= extra.Key.Length == 0 ? "an extra has no key" : Line(into, ExtraHeaderName(extra.Key), extra.Value);
        }

        if (into.Capacity > LongestDraft)
        {
            _draft = null;
        }

        return wrong is null
            ? new ImpersonationHeaders(user, into.WrittenSpan.ToArray())
            : new Refusal(RefusalReason.ClaimMalformed, $"cannot impersonate: {wrong}");
    }

    /// <summary>client-go's escape (all but token characters, and % itself, as %XX), then the spelling that Go gives header names.</summary>
    internal static string ExtraHeaderName(string key) => key == KubernetesUser.CredentialId ? CredentialIdName : EscapedName(key);

    private static string EscapedName(string key)
    {
        var name = new StringBuilder(ExtraPrefix, ExtraPrefix.Length + key.Length);
        foreach (var b in Encoding.UTF8.GetBytes(key))
        {
            if (b != '%' && HttpText.Token.Contains(b))
            {
                name.Append((char)b);
            }
            else
            {
                name.Append('%').Append(b.ToString("X2", System.Globalization.CultureInfo.InvariantCulture));
            }
        }

        for (var i = 0; i < name.Length; i++)
        {
            name[i] = i == 0 || name[i - 1] == '-' ? char.ToUpperInvariant(name[i]) : char.ToLowerInvariant(name[i]);
        }

        return name.ToString();
    }

    private static string? Line(ArrayBufferWriter<byte> into, string name, string value)
    {
        if (value.Length == 0)
        {
            return $"{name} would be empty";
        }

        if (value[0] is ' ' or '\t' || value[^1] is ' ' or '\t')
        {
            return $"{name} would begin or end with a blank";
        }

        if (value.AsSpan().ContainsAny(ControlCharacters))
        {
            return $"{name} would contain a control character";
        }

        try
        {
            Encoding.Latin1.GetBytes(name, into);
            into.Write(": "u8);
            Strict.GetBytes(value, into);
            into.Write("\r\n"u8);
            return null;
        }
        catch (EncoderFallbackException)
        {
            return $"{name} is not Unicode text";
        }
    }
}
