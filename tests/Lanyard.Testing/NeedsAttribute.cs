using System.Reflection;
using Xunit.Sdk;
using Xunit.v3;

namespace Lanyard.Testing;

/// <summary>
/// Says what must be installed for a test beside the .NET SDK: <c>kube</c>, <c>postgres</c>, <c>npm</c>, <c>bwrap</c>, <c>kubectl-1.20</c> …
/// <c>./test --quick</c> leaves such tests out; <c>./test</c> installs what they need. A test whose part <c>./test</c> should have installed fails by the part's name where it
/// is absent; one whose part only some machines have (<see cref="MachineParts.IsOptional"/>) is skipped by it.
/// </summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method, AllowMultiple = true)]
public sealed class NeedsAttribute(string part) : Attribute, ITraitAttribute, IBeforeAfterTestAttribute
{
    public string Part { get; } = part;

    public IReadOnlyCollection<KeyValuePair<string, string>> GetTraits() => [new("Needs", Part)];

    public void Before(MethodInfo methodUnderTest, IXunitTest test)
    {
        if (MachineParts.WhyAbsent(Part) is not { } why) return;
        throw new InvalidOperationException(MachineParts.IsOptional(Part) ? DynamicSkipToken.Value + why : why);
    }

    public void After(MethodInfo methodUnderTest, IXunitTest test)
    {
        // Nothing was made.
    }
}
