using Lanyard.Identity;
using Lanyard.Server.Storage;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Cache.Admin;

/// <summary>What a list of entries is narrowed to: <c>?repository= ?scope= ?key= ?state=</c>; the key is a prefix.</summary>
internal sealed record CacheFilter(string? Repository, string? Scope, string? Key, string? State)
{
    public static readonly IReadOnlyList<string> Groups = ["repository", "scope", "key"];

    private static readonly string[] States = [CacheStates.Pending, CacheStates.Ready, CacheStates.Quarantined, CacheStates.Damaged];

    public SqlPart Condition
    {
        get
        {
            var all = new Sql(0, 0);
            if (Repository is { } repository) all.AppendFormatted(((Sql)$" and repository = {repository}").Part);
            if (Scope is { } scope) all.AppendFormatted(((Sql)$" and scope = {scope}").Part);
            if (Key is { } key) all.AppendFormatted(((Sql)$" and folded >= {key} and folded < {key + CacheKeys.Highest}").Part);
            if (State is { } state) all.AppendFormatted(((Sql)$" and state = {state}").Part);
            return all.Part;
        }
    }

    /// <returns>The filter; or RequestMalformed.</returns>
    public static Outcome<CacheFilter> Read(HttpRequest request)
    {
        var filter = new CacheFilter(One("repository")?.ToLowerInvariant(), One("scope"), One("key") is { } key ? CacheKeys.Fold(key) : null, One("state"));
        if (new[] { filter.Repository, filter.Scope, filter.Key }.Any(static text => text is { Length: > CacheKeys.MaxLength } || text?.Contains('\0', StringComparison.Ordinal) == true))
            return new Refusal(RefusalReason.RequestMalformed, "a filter is too long");
        return filter.State is null || States.Contains(filter.State) ? filter : new Refusal(RefusalReason.RequestMalformed, $"no state {filter.State}");

        string? One(string name) => request.Query[name] is [{ Length: > 0 } text] ? text : null;
    }
}
