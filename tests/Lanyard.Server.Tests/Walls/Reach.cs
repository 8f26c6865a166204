namespace Lanyard.Server.Tests.Walls;

internal enum Reach
{
    /// <summary>Public by design.</summary>
    Everybody,

    /// <summary>A role in the instance, workspace or collection that the path names.</summary>
    Scoped,

    /// <summary>A list that shows each caller what is its own.</summary>
    OwnOnly,

    /// <summary>A registered runner, about itself: every runner is at home there, nobody else.</summary>
    AnyRunner,

    /// <summary>The one runner that holds what the path names: no role helps, and neither does being another runner.</summary>
    OneRunner,
}

/// <summary>A route of the OpenAPI document, and who is behind its wall.</summary>
/// <param name="Route">Method and template, as in the document.</param>
/// <param name="Path">One that exists.</param>
/// <param name="MissingPath">The same with names that exist nowhere.</param>
/// <param name="Works">What whoever may is answered.</param>
/// <param name="KnownTo">Strangers who are none here.</param>
internal sealed record RouteRow(
    string Route, Reach Reach, string Path, string MissingPath, string? Body, string? IfMatch, int[] Works, IReadOnlyList<string> KnownTo)
{
    public string Method => Route[..Route.IndexOf(' ', StringComparison.Ordinal)];
}
