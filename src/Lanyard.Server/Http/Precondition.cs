using Lanyard.Identity;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Http;

/// <summary>
/// What a PUT or DELETE knows of the resource (RFC 9110 §13.1): <c>If-None-Match: *</c> creates only, <c>If-Match</c> changes what
/// has that ETag, neither creates what is missing. Changing what exists without saying which version is refused with 428.
/// </summary>
internal readonly record struct Precondition
{
    private enum Kind
    {
        None,
        Absent,
        Match,
        MatchAny,
    }

    /// <summary>As <c>If-None-Match: *</c>.</summary>
    public static Precondition OnlyNew => new() { Wanted = Kind.Absent };

    private Kind Wanted { get; init; }

    private string? ETag { get; init; }

    /// <summary>An ETag changes with every version, and is never that of another resource that had the same slug before.</summary>
    public static string ETagOf(string id, long version) => $"{id}.{version}";

    public static Outcome<Precondition> Read(HttpRequest request)
    {
        var match = request.Headers.IfMatch;
        var noneMatch = request.Headers.IfNoneMatch;
        if (match.Count + noneMatch.Count > 1)
        {
            return new Refusal(RefusalReason.RequestMalformed, "more than one precondition");
        }

        if (noneMatch.Count == 1)
        {
            return noneMatch[0] == "*"
                ? new Precondition { Wanted = Kind.Absent }
                : new Refusal(RefusalReason.RequestMalformed, "If-None-Match takes * only");
        }

        if (match.Count == 0)
        {
            return new Precondition { Wanted = Kind.None };
        }

        var value = match[0]!;
        if (value == "*")
        {
            return new Precondition { Wanted = Kind.MatchAny };
        }

        return value.Length > 2 && value[0] == '"' && value[^1] == '"' && !value.AsSpan(1, value.Length - 2).Contains('"')
            ? new Precondition { Wanted = Kind.Match, ETag = value[1..^1] }
            : new Refusal(RefusalReason.RequestMalformed, "If-Match takes one strong ETag in quotes");
    }

    /// <param name="current">The ETag of what is there, or null when nothing is.</param>
    /// <returns>Null when the change may be made.</returns>
    public Refusal? Check(string? current) => Wanted switch
    {
        Kind.None when current is not null => new Refusal(RefusalReason.PreconditionRequired, "it exists, and the call names no version"),
        Kind.Absent when current is not null => new Refusal(RefusalReason.PreconditionFailed, "it exists"),
        Kind.Match when current != ETag => new Refusal(RefusalReason.PreconditionFailed, $"has {current ?? "nothing"}, not {ETag}"),
        Kind.MatchAny when current is null => new Refusal(RefusalReason.PreconditionFailed, "it does not exist"),
        _ => null,
    };
}
