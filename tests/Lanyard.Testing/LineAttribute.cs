using Xunit.v3;

namespace Lanyard.Testing;

/// <summary>
/// Says which line of which issue a test shows: <c>[Line("2.7")]</c> is line 7 of issue 2. <c>./test</c> ends with the lines
/// that no passing test shows.
/// </summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method, AllowMultiple = true)]
public sealed class LineAttribute(string line) : Attribute, ITraitAttribute
{
    public string Line { get; } = line;

    public IReadOnlyCollection<KeyValuePair<string, string>> GetTraits() => [new("Line", Line)];
}
