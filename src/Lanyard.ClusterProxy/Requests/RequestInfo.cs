using System.Buffers;

namespace Lanyard.ClusterProxy.Requests;

/// <summary>
/// What a request asks of the API server, told from method and target by the API server's own rules (apiserver/pkg/endpoints/request). For audit, log and
/// limits only: nothing here decides access.
/// </summary>
internal sealed record RequestInfo
{
    private static readonly SearchValues<string> LongWords =
        SearchValues.Create(["watch", "/exec", "/attach", "/portforward", "/proxy", "/log"], StringComparison.Ordinal);

    /// <summary>Where the escapes of small letters begin: <c>w%61tch</c> is a watch.</summary>
    private static readonly SearchValues<string> EscapedLetters = SearchValues.Create(["%6", "%7"], StringComparison.Ordinal);

    private static readonly SearchValues<string> EscapedSlashes = SearchValues.Create(["%2F", "%2f"], StringComparison.Ordinal);

    public required string Verb { get; init; }

    /// <summary>Without query, its escapes undone.</summary>
    public required string Path { get; init; }

    public bool IsResource { get; init; }

    public string Group { get; init; } = "";

    public string Version { get; init; } = "";

    public string Namespace { get; init; } = "";

    public string Resource { get; init; } = "";

    public string Subresource { get; init; } = "";

    public string Name { get; init; } = "";

    /// <summary>Streams: what runs as long as the client likes (the API server's own set). An upgrade is one whatever its path says.</summary>
    public bool IsLongRunning => Verb is "watch" or "proxy" || Subresource is "attach" or "exec" or "proxy" or "log" or "portforward";

    /// <summary>The same without making anything, for requests that are plainly short.</summary>
    public static bool MayBeLong(string target) => target.AsSpan().ContainsAny(LongWords) || (target.Contains('%', StringComparison.Ordinal) && MayHide(target));

    /// <summary>The path without its query, as sent.</summary>
    public static ReadOnlySpan<char> PathOf(string target) => target.IndexOf('?', StringComparison.Ordinal) is >= 0 and var question ? target.AsSpan(0, question) : target;

    /// <summary>Escapes are undone before the path is taken apart: to the API server <c>%2F</c> is a slash as any other, in what it serves as in its own audit.</summary>
    public static RequestInfo Parse(string method, string target)
    {
        var sent = PathOf(target);
        var query = sent.Length < target.Length ? target[(sent.Length + 1)..] : "";
        var path = Uri.UnescapeDataString(sent);
        var plain = new RequestInfo { Verb = method.ToLowerInvariant(), Path = path };
        var rest = path.Trim('/').Split('/').AsSpan();
        var isCore = rest.Length >= 3 && rest[0] == "api";
        if (!isCore && !(rest.Length >= 4 && rest[0] == "apis"))
        {
            return plain;
        }

        var group = isCore ? "" : rest[1];
        rest = rest[(isCore ? 1 : 2)..];
        var resource = plain with { IsResource = true, Group = group, Version = rest[0], Verb = VerbOf(method) };
        return WithParts(resource, rest[1..], query);
    }

    /// <summary>Whether one of the words may stand there in escapes.</summary>
    private static bool MayHide(string target) => target.AsSpan().ContainsAny(EscapedLetters) || PathOf(target).ContainsAny(EscapedSlashes);

    private static RequestInfo WithParts(RequestInfo info, ReadOnlySpan<string> parts, string query)
    {
        if (parts is ["proxy" or "watch", ..])
        {
            if (parts.Length < 2)
            {
                return info with { IsResource = false };
            }

            info = info with { Verb = parts[0] };
            parts = parts[1..];
        }

        if (parts is ["namespaces", var space, ..])
        {
            info = info with { Namespace = space };
            parts = parts is [_, _, not ("status" or "finalize"), ..] ? parts[2..] : parts;
        }

        info = info with
        {
            Resource = parts[0],
            Name = parts.Length > 1 ? parts[1] : "",
            Subresource = parts.Length > 2 && info.Verb != "proxy" ? parts[2] : "",
        };
        return info.Name.Length > 0 ? info : info.Verb switch
        {
            "get" => info with { Verb = Watches(query) ? "watch" : "list", Name = NameIn(query) },
            "delete" => info with { Verb = "deletecollection" },
            _ => info,
        };
    }

    private static string VerbOf(string method) => method switch
    {
        "POST" => "create",
        "GET" or "HEAD" => "get",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "",
    };

    /// <summary>As the API server reads the option: there and neither false nor 0.</summary>
    private static bool Watches(string query) => Find(query, "watch") is { } value && !value.Equals("false", StringComparison.OrdinalIgnoreCase) && value != "0";

    private static string NameIn(string query)
    {
        const string field = "metadata.name=";
        var selector = Find(query, "fieldSelector") ?? "";
        var one = selector.Split(',').FirstOrDefault(s => s.StartsWith(field, StringComparison.Ordinal));
        return one is null ? "" : one[field.Length..].TrimStart('=');
    }

    private static string? Find(string query, string name)
    {
        foreach (var pair in query.Split('&'))
        {
            var equals = pair.IndexOf('=', StringComparison.Ordinal);
            if (Uri.UnescapeDataString(equals < 0 ? pair : pair[..equals]) == name)
            {
                return equals < 0 ? "" : Uri.UnescapeDataString(pair[(equals + 1)..].Replace('+', ' '));
            }
        }

        return null;
    }
}
