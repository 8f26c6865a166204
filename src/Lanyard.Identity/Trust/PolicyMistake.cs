namespace Lanyard.Identity.Trust;

/// <summary>One thing wrong with a document, with its place such as <c>claims.ref.glob</c>.</summary>
public sealed record PolicyMistake(string Path, string Text);
