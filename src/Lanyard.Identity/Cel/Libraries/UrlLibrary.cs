using System.Globalization;
using System.Text;

namespace Lanyard.Identity.Cel.Libraries;

/// <summary>Kubernetes' URLs: an absolute URI, or an absolute path. Parsed here, because the platform's parser repairs what it is given.</summary>
internal static class UrlLibrary
{
    private static readonly CelType Url = CelType.Opaque("kubernetes.URL");

    public static CelLibrary Library { get; } = new(
        "urls",
        CelOverload.Function("url", ToUrl, Url, CelType.String),
        CelOverload.Function("isURL", (ref f, in a) => CelValue.Of(f.ChargeText(a.AsString.Length) && UrlParts.TryParse(a.AsString) is not null), CelType.Bool, CelType.String),
        Part("getScheme", p => p.Scheme),
        Part("getHost", p => p.Host),
        Part("getHostname", p => p.Hostname),
        Part("getPort", p => p.Port),
        Part("getEscapedPath", p => p.EscapedPath),
        CelOverload.Member("getQuery", GetQuery, CelType.Map(CelType.String, CelType.List(CelType.String)), Url))
    {
        Types = [Url],
    };

    private static CelOverload Part(string name, Func<UrlParts, string> part) => CelOverload.Member(
        name,
        (ref _, in a) => CelValue.Of(part((UrlParts)((CelOpaque)a.Ref!).Value)),
        CelType.String,
        Url);

    private static CelValue ToUrl(ref CelFrame frame, in CelValue a)
    {
        if (!frame.ChargeText(a.AsString.Length))
        {
            return Faults.Budget;
        }

        return UrlParts.TryParse(a.AsString) is { } parts
            ? CelValue.Of(new CelOpaque(Url, parts, a.AsString))
            : CelValue.Error("the text is neither an absolute URL nor an absolute path");
    }

    private static CelValue GetQuery(ref CelFrame frame, in CelValue a)
    {
        var query = ((UrlParts)((CelOpaque)a.Ref!).Value).Query;
        var values = new Dictionary<string, List<string>>(StringComparer.Ordinal);
        foreach (var pair in query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            if (!frame.ChargeText(pair.Length))
            {
                return Faults.Budget;
            }

            var parts = pair.Split('=', 2);
            if (!pair.Contains(';', StringComparison.Ordinal)
                && UrlParts.Unescape(parts[0].Replace('+', ' ')) is { } key
                && UrlParts.Unescape(parts.Length == 2 ? parts[1].Replace('+', ' ') : "") is { } value)
            {
                (values.TryGetValue(key, out var known) ? known : values[key] = []).Add(value);
            }
        }

        var table = new CelTable();
        foreach (var (key, list) in values)
        {
            table.TryAdd(CelValue.Of(key), CelValue.OfStrings(list));
        }

        return CelValue.Of(table);
    }
}

/// <summary>A URL's parts (RFC 3986). Two are equal when their texts are.</summary>
internal sealed record UrlParts(string Scheme, string Host, string Path, string Query, string Text)
{
    private static readonly System.Buffers.SearchValues<char> HostCharacters =
        System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=");

    public string Port => Host.LastIndexOf(':') is var colon and >= 0 && colon > Host.LastIndexOf(']') ? Host[(colon + 1)..] : "";

    public string Hostname
    {
        get
        {
            var host = Host.LastIndexOf(':') is var colon and >= 0 && colon > Host.LastIndexOf(']') ? Host[..colon] : Host;
            return host is ['[', .., ']'] ? host[1..^1] : host;
        }
    }

    // A path that is written well stays as it is written.
    public string EscapedPath => Path.All(c => c == '%' || IsPathCharacter(c) || c is '!' or '\'' or '(' or ')' or '*' or '[' or ']')
        ? Path
        : Escape(Unescape(Path) ?? "");

    public static UrlParts? TryParse(string text)
    {
        if (text.Length == 0 || text.Any(c => c < 0x20 || c == 0x7F))
        {
            return null;
        }

        var rest = text.Split('#', 2)[0];
        var scheme = ReadScheme(rest);
        rest = rest[(scheme.Length > 0 ? scheme.Length + 1 : 0)..];
        var query = rest.Split('?', 2);
        rest = query[0];
        if (rest is not ['/', ..])
        {
            // Without a slash behind the scheme everything is opaque; without a scheme it is a relative path.
            return scheme.Length > 0 && rest.Length > 0 ? new UrlParts(scheme, "", "", query.ElementAtOrDefault(1) ?? "", text) : null;
        }

        var host = "";
        if (scheme.Length > 0 && rest.StartsWith("//", StringComparison.Ordinal))
        {
            var slash = rest.IndexOf('/', 2);
            var authority = slash < 0 ? rest[2..] : rest[2..slash];
            rest = slash < 0 ? "" : rest[slash..];
            host = authority[(authority.LastIndexOf('@') + 1)..];
            if (!IsHost(host) || !IsUserInfo(authority[..(authority.Length - host.Length)]))
            {
                return null;
            }
        }

        return Unescape(rest) is null ? null : new UrlParts(scheme, host, rest, query.ElementAtOrDefault(1) ?? "", text);
    }

    /// <summary>Percent-decodes; null for a broken escape or bytes that are no UTF-8.</summary>
    public static string? Unescape(string text)
    {
        if (!text.Contains('%', StringComparison.Ordinal))
        {
            return text;
        }

        var bytes = new List<byte>(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '%')
            {
                var size = i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]) ? 2 : 1;
                bytes.AddRange(Encoding.UTF8.GetBytes(text, i, size));
                i += size - 1;
            }
            else if (i + 2 < text.Length && byte.TryParse(text.AsSpan(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
            {
                bytes.Add(value);
                i += 2;
            }
            else
            {
                return null;
            }
        }

        return CelText.Decode([.. bytes]);
    }

    public bool Equals(UrlParts? other) => other is not null && Text == other.Text;

    public override int GetHashCode() => string.GetHashCode(Text, StringComparison.Ordinal);

    private static string ReadScheme(string text)
    {
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        return colon > 0 && char.IsAsciiLetter(text[0]) && text.AsSpan(0, colon).IndexOfAnyExcept(SchemeCharacters) < 0
            ? text[..colon].ToLowerInvariant()
            : "";
    }

    private static readonly System.Buffers.SearchValues<char> SchemeCharacters =
        System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

    private static bool IsUserInfo(string text) => text.Length == 0 || !text.AsSpan(0, text.Length - 1).ContainsAnyExcept(UserCharacters);

    private static readonly System.Buffers.SearchValues<char> UserCharacters =
        System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:%");

    private static bool IsHost(string host)
    {
        var end = host is ['[', ..] ? host.IndexOf(']', StringComparison.Ordinal) + 1 : host.IndexOf(':', StringComparison.Ordinal);
        if (host is ['[', ..] && (end == 0 || !System.Net.IPAddress.TryParse(host.AsSpan(1, end - 2), out _)))
        {
            return false;
        }

        end = end < 0 ? host.Length : end;
        var port = host[end..];
        var name = host is ['[', ..] ? "" : host[..end];
        return (port.Length == 0 || (port[0] == ':' && port.Skip(1).All(char.IsAsciiDigit)))
            && name.All(c => c >= 0x80 || HostCharacters.Contains(c));
    }

    private static bool IsPathCharacter(char c) => char.IsAsciiLetterOrDigit(c) || "-_.~$&+,/:;=@".Contains(c, StringComparison.Ordinal);

    private static string Escape(string path)
    {
        var text = new StringBuilder(path.Length);
        foreach (var b in Encoding.UTF8.GetBytes(path))
        {
            text.Append(b < 0x80 && IsPathCharacter((char)b) ? ((char)b).ToString() : string.Create(CultureInfo.InvariantCulture, $"%{b:X2}"));
        }

        return text.ToString();
    }
}
