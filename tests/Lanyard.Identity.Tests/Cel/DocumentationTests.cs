using System.Text.RegularExpressions;
using Lanyard.Identity.Cel;
using Lanyard.Identity.Cel.Libraries;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Cel;

[Line("6.1")]
public sealed partial class DocumentationTests
{
    private static readonly string Page = File.ReadAllText(Path.Combine(Root(), "docs", "cel.md"));

    [Fact]
    public void Every_function_that_an_environment_has_is_in_the_reference()
    {
        CelLibrary[] all = [StandardLibrary.Core, StandardLibrary.Conversions, StandardLibrary.Times, .. CelEnvironments.AllLibraries];
        var words = Words().Matches(Page).Select(m => m.Value).ToHashSet(StringComparer.Ordinal);

        Assert.All(all.SelectMany(l => l.Overloads), o => Assert.Contains(o.Name, words));
    }

    [Fact]
    public void The_examples_of_the_reference_compile()
    {
        var examples = Page.Split("```")[1].Trim().Split('\n');

        Assert.Equal(4, examples.Length);
        Assert.All(examples, e => CelEnvironments.Conditions.Compile(e, mustWork: true));
    }

    private static string Root()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Lanyard.slnx")))
        {
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("the tests run outside of the repository");
        }

        return folder;
    }

    [GeneratedRegex(@"[A-Za-z_]\w*(\.[A-Za-z]\w*)?")]
    private static partial Regex Words();
}
