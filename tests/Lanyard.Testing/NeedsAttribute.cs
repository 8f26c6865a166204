using Xunit.v3;

namespace Lanyard.Testing;

/// <summary>
/// Says what must be installed for a test beside the .NET SDK: <c>kube</c>, <c>postgres</c>, <c>npm</c>, <c>bwrap</c>, <c>kubectl-1.20</c> …
/// <c>./test --quick</c> leaves such tests out; <c>./test</c> installs what they need.
/// </summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method, AllowMultiple = true)]
public sealed class NeedsAttribute(string part) : Attribute, ITraitAttribute
{
    public string Part { get; } = part;

    public IReadOnlyCollection<KeyValuePair<string, string>> GetTraits() => [new("Needs", Part)];
}
