namespace Lanyard.Protocol.Resources;

/// <summary>RFC 9457: how every path but OAuth's and Kubernetes' tells an error.</summary>
/// <param name="Type">Stable: <c>urn:lanyard:problem:</c> and the reason's name.</param>
/// <param name="Title">The reason's fixed text.</param>
/// <param name="RequestId">Also in the header <c>X-Request-Id</c>, the log and the audit event.</param>
/// <param name="Mistakes">All that is wrong with what the caller sent, where that is the reason.</param>
public sealed record Problem(string Type, string Title, int Status, string RequestId, IReadOnlyList<Mistake>? Mistakes = null);

/// <param name="Path">Where, such as <c>spec.steps[2].name</c>; empty for the whole.</param>
public sealed record Mistake(string Path, string Text)
{
    public override string ToString() => Path.Length == 0 ? Text : $"{Path}: {Text}";
}
