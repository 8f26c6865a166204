namespace Lanyard.Cli.Resources;

/// <param name="Line">1-based line in the file.</param>
/// <param name="Path">Where in the document, such as <c>spec.steps[2].name</c>; empty for the whole document.</param>
internal sealed record YamlMistake(long Line, string Path, string Text)
{
    public override string ToString() => Path.Length == 0 ? $"line {Line}: {Text}" : $"line {Line}: {Path}: {Text}";
}
