using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Cel;

[Line("6.1")]
public sealed class ConformanceTests(ITestOutputHelper output)
{
    public static TheoryData<string> Files { get; } =
    [
        "basic", "comparisons", "conversions", "fields", "fp_math", "integer_math", "lists", "logic", "macros", "namespace", "parse",
        "string", "string_ext", "timestamps",
    ];

    [Theory]
    [MemberData(nameof(Files))]
    public void Every_applicable_case_of_a_file_comes_out_as_the_language_says(string file)
    {
        var cases = ConformanceCase.ReadFile(Path.Combine(Folder(), file + ".textproto")).Where(c => c.NotApplicable is null).ToList();

        var failures = cases.Select(c => (c.Name, c.Expression, Problem: RunSafely(c))).Where(f => f.Problem is not null).ToList();

        Assert.NotEmpty(cases);
        Assert.True(failures.Count == 0, $"{failures.Count} of {cases.Count}:\n{string.Join('\n', failures.Select(f => $"{f.Name}: {f.Expression} -> {f.Problem}"))}");
        output.WriteLine($"{file}: {cases.Count} cases passed");
    }

    [Fact]
    public void Cases_that_do_not_apply_are_counted_with_their_reason_and_are_at_most_one_in_ten()
    {
        var folder = Folder();
        var files = Directory.GetFiles(folder, "*.textproto").Select(f => Path.GetFileNameWithoutExtension(f)!).Order(StringComparer.Ordinal);
        Assert.Equal(Files.Select(f => f.Data), files);

        var cases = Files.SelectMany(f => ConformanceCase.ReadFile(Path.Combine(folder, f.Data + ".textproto"))).ToList();
        var left = cases.Where(c => c.NotApplicable is not null).ToList();

        output.WriteLine($"{left.Count} of {cases.Count} cases are not applicable");
        foreach (var group in left.GroupBy(c => c.NotApplicable))
        {
            output.WriteLine($"  {group.Count()}: {group.Key}");
        }

        foreach (var one in left)
        {
            output.WriteLine($"    {one.Name}: {one.NotApplicable}");
        }

        Assert.True(left.Count * 10 <= cases.Count, $"{left.Count} of {cases.Count}");
    }

    private static string Folder()
    {
        var vectors = Environment.GetEnvironmentVariable("LANYARD_VECTORS");
        Assert.SkipWhen(string.IsNullOrEmpty(vectors), "no vectors");
        return Path.Combine(vectors!, "cel");
    }

    // A case that throws is a failure with a name, not the end of its file.
    private static string? RunSafely(ConformanceCase test)
    {
        try
        {
            return test.Run();
        }
        catch (Exception thrown)
        {
            return $"threw {thrown.GetType().Name}: {thrown.Message}";
        }
    }
}
