using System.Text.RegularExpressions;
using Lanyard.Testing;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Docs;

/// <summary>One path of a page as a reader walks it: its fenced shell lines in order, and after them the lines that the page says are printed.</summary>
internal sealed record Walk(IReadOnlyList<(string Kind, string Text)> Blocks)
{
    /// <summary>The blocks under the heading that begins so, up to the next heading of the same or a higher level.</summary>
    public static Walk Read(string page, string heading) => new(ReadBlocks(Lines(page, heading)));

    /// <summary>As <see cref="Read"/>, with all that stands there.</summary>
    public static IReadOnlyList<string> Lines(string page, string heading)
    {
        var lines = File.ReadAllLines(Repo.At(page.Split('/')));
        var start = Array.FindIndex(lines, line => line.StartsWith(heading, StringComparison.Ordinal));
        if (start < 0) throw new InvalidOperationException($"{page} has no heading {heading}");
        var level = heading.TakeWhile(static c => c == '#').Count();
        var isInFence = false;
        return [.. lines.Skip(start + 1).TakeWhile(line =>
        {
            // A shell comment begins like a heading; inside a fence it is none.
            isInFence ^= line.StartsWith("```", StringComparison.Ordinal);
            return isInFence || !line.StartsWith('#') || line.TakeWhile(static c => c == '#').Count() > level;
        })];
    }

    /// <summary>The shell lines of all blocks, as one script.</summary>
    public string Script => string.Join('\n', Blocks.Where(static block => block.Kind == "sh").Select(static block => block.Text));

    /// <summary>The commands under <c>script:</c> of a pipeline's file.</summary>
    public string PipelineScript => string.Join('\n', Blocks.Where(static block => block.Kind == "yaml").SelectMany(static block => block.Text.Split('\n'))
        .SkipWhile(static line => !line.TrimEnd().EndsWith("script:", StringComparison.Ordinal)).Skip(1).Select(static line => line.TrimStart(' ', '-')));

    /// <summary>Types lines in bash, and ends what they left in the background.</summary>
    /// <param name="trouble">What else there is to know where it fails.</param>
    /// <returns>Both outputs of a script that succeeded, without the words of what runs in the background.</returns>
    public static async Task<string> TypeAsync(string script, string folder, IReadOnlyDictionary<string, string?> environment, Func<string>? trouble = null)
    {
        await using var shell = ChildProcess.Start("bash", ["-euo", "pipefail", "-c", $"trap 'kill $(jobs -p) 2> /dev/null || true; wait' EXIT\n{script}"], environment, folder);
        var code = await shell.WaitForExitAsync(TimeSpan.FromMinutes(3));
        Assert.True(code == 0, $"exit code {code}\n{shell.Output}\n{shell.Errors}\n{trouble?.Invoke()}");
        return shell.Output + "\n" + shell.Errors;
    }

    /// <summary>Which of the promised lines did not come; <c>…</c> stands for anything.</summary>
    public IReadOnlyList<string> Missing(string output)
    {
        var said = output.Split('\n');
        var missing = new List<string>();
        foreach (var promise in Blocks.Where(static block => block.Kind == "text").SelectMany(static block => block.Text.Split('\n')))
        {
            var pattern = new Regex("^" + string.Join(".*", promise.Split('…').Select(Regex.Escape)) + "$", RegexOptions.None, TimeSpan.FromSeconds(1));
            if (!said.Any(line => pattern.IsMatch(line.TrimEnd()))) missing.Add(promise);
        }

        return missing;
    }

    private static List<(string, string)> ReadBlocks(IEnumerable<string> section)
    {
        var blocks = new List<(string, string)>();
        string? kind = null;
        var text = new List<string>();
        foreach (var line in section)
        {
            if (!line.StartsWith("```", StringComparison.Ordinal))
            {
                if (kind is not null) text.Add(line);
            }
            else if (kind is null)
            {
                (kind, text) = (line[3..], []);
            }
            else
            {
                blocks.Add((kind, string.Join('\n', text)));
                kind = null;
            }
        }

        return blocks;
    }
}
