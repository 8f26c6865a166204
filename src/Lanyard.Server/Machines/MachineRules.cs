using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runtime;
using Lanyard.Server.Collections;
using Lanyard.Server.Http;

namespace Lanyard.Server.Machines;

/// <summary>What a request for a machine may say, and which scopes of the cache follow from its refs.</summary>
internal static class MachineRules
{
    public const long MinLifetimeSeconds = 60;
    public const long MaxLifetimeSeconds = 86_400;
    public const long DefaultLifetimeSeconds = 21_600;
    private const int MaxText = 255;

    /// <summary>Every mistake at once; empty when all is well.</summary>
    public static List<Mistake> Mistakes(MachineRequest request)
    {
        var mistakes = new List<Mistake>();
        if (request.LifetimeSeconds is < MinLifetimeSeconds or > MaxLifetimeSeconds)
            Add("lifetimeSeconds", $"must be {MinLifetimeSeconds} to {MaxLifetimeSeconds} seconds");
        if (request.Runner is { } runner && !Slug.IsValid(runner)) Add("runner", Slug.Rule);
        if (request.Repository is { } repository && !IsRepository(repository)) Add("repository", "must be owner/name of letters, digits, '.', '-' and '_'");
        CheckRef(request.Ref, "ref");
        CheckRef(request.BaseRef, "baseRef");
        CheckRef(request.DefaultRef, "defaultRef");
        if (request.CacheMode is { } mode && CacheScope.BitsOf(mode) < 0) Add("cacheMode", $"must be one of {string.Join(", ", CacheScope.Permissions)}");
        if (request.Scopes is { } scopes) CheckScopes(scopes);
        if (request.Scopes is not null && (request.BaseRef ?? request.DefaultRef) is not null) Add("scopes", "stand instead of baseRef and defaultRef");
        if (request.Repository is null && (request.Scopes is not null || request.Ref is not null)) Add("repository", "is missing: refs and scopes are of a repository");
        OperationRules.Check(request.Operations?.Select(static one => new OperationSpec(one.Definition, one.Actions, one.Phases)).ToList(), "operations", mistakes);
        return mistakes;

        void Add(string path, string text) => mistakes.Add(new Mistake(path, text));

        void CheckRef(string? text, string path)
        {
            if (text is not null && !(text.StartsWith("refs/", StringComparison.Ordinal) && IsPlain(text))) Add(path, "must be a full ref, such as refs/heads/main");
        }

        void CheckScopes(IReadOnlyList<CacheScope> scopes)
        {
            if (scopes.Count > CacheScope.Most) Add("scopes", $"must be at most {CacheScope.Most}");
            for (var i = 0; i < scopes.Count; i++)
            {
                if (!IsPlain(scopes[i].Scope)) Add($"scopes[{i}].scope", $"must be 1 to {MaxText} printable ASCII characters without blanks");
                if (CacheScope.BitsOf(scopes[i].Permission) < 0) Add($"scopes[{i}].permission", $"must be one of {string.Join(", ", CacheScope.Permissions)}");
            }
        }
    }

    /// <summary>The own ref is read and written; a pull request's base and the default branch are read; the mode takes away from all of them.</summary>
    public static IReadOnlyList<CacheScope> Scopes(MachineRequest request)
    {
        var mode = CacheScope.BitsOf(request.CacheMode ?? "write");
        IEnumerable<CacheScope?> wanted = request.Scopes
            ?? (IEnumerable<CacheScope?>)[Of(request.Ref, "write"), Of(request.BaseRef, "read"), Of(request.DefaultRef, "read")];
        return
        [
            .. wanted.OfType<CacheScope>().DistinctBy(static scope => scope.Scope)
                .Select(scope => scope with { Permission = CacheScope.NameOf(CacheScope.BitsOf(scope.Permission) & mode) }),
        ];

        static CacheScope? Of(string? text, string permission) => text is null ? null : new CacheScope(text, permission);
    }

    private static bool IsRepository(string text) =>
        text.Length <= MaxText && text.Split('/') is [{ Length: > 0 } owner, { Length: > 0 } name]
        && (owner + name).All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_');

    private static bool IsPlain(string text) => text.Length is > 0 and <= MaxText && text.All(static c => c is > ' ' and <= '~');
}
