using System.Globalization;

namespace Lanyard.Cli.Runner.Sandbox;

/// <summary>What an attempt uses at this moment, by <c>/proc</c> and its folders. What ends while it is looked at counts nothing.</summary>
internal static class AttemptUsage
{
    private const long KiB = 1024;

    /// <returns>Processes and threads; and the memory that they have written, which counts what several share for each of them.</returns>
    public static (int Tasks, long Memory) Of(List<int> processes)
    {
        var (tasks, memory) = (0, 0L);
        foreach (var process in processes)
        {
            foreach (var line in Lines($"/proc/{process}/status"))
            {
                if (line.StartsWith("Threads:", StringComparison.Ordinal))
                {
                    tasks += (int)Number(line);
                }
                else if (line.StartsWith("RssAnon:", StringComparison.Ordinal) || line.StartsWith("RssShmem:", StringComparison.Ordinal))
                {
                    memory += Number(line) * KiB;
                }
            }
        }

        return (tasks, memory);
    }

    /// <summary>The memory with what is shared counted once. It takes the kernel long: only where <see cref="Of"/> has raised a doubt.</summary>
    public static long ExactMemoryOf(List<int> processes)
    {
        var memory = 0L;
        foreach (var process in processes)
        {
            memory += Lines($"/proc/{process}/smaps_rollup")
                .Where(static line => line.StartsWith("Pss_Anon:", StringComparison.Ordinal) || line.StartsWith("Pss_Shmem:", StringComparison.Ordinal)).Sum(Number) * KiB;
        }

        return memory;
    }

    /// <summary>What all files below the folders take of the disk, and those that its processes hold open after they were removed.</summary>
    public static long DiskOf(IEnumerable<string> folders, List<int> processes)
    {
        var options = new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true, AttributesToSkip = FileAttributes.None, MaxRecursionDepth = 4096 };
        var files = folders.Where(Directory.Exists).SelectMany(folder => Directory.EnumerateFiles(folder, "*", options));
        return Sum(files, follow: false) + processes.Sum(static process => Sum(Removed(process), follow: true));
    }

    private static IEnumerable<string> Removed(int process)
    {
        const string Mark = " (deleted)";
        var folder = $"/proc/{process}/fd";
        return Directory.Exists(folder)
            ? Directory.EnumerateFileSystemEntries(folder).Where(static link => new FileInfo(link).LinkTarget is { } target
                && target.EndsWith(Mark, StringComparison.Ordinal) && !target.StartsWith("/dev/", StringComparison.Ordinal) && !target.StartsWith("/memfd:", StringComparison.Ordinal))
            : [];
    }

    private static long Sum(IEnumerable<string> files, bool follow)
    {
        var sum = 0L;
        try
        {
            foreach (var file in files)
            {
                sum += FileBlocks.BytesOf(file, follow);
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The folder, or the process, went in the meantime.
        }

        return sum;
    }

    private static string[] Lines(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>The number behind the colon.</summary>
    private static long Number(string line) =>
        long.Parse(line.AsSpan(line.IndexOf(':', StringComparison.Ordinal) + 1).Trim().TrimEnd("kB ").Trim(), NumberStyles.None, CultureInfo.InvariantCulture);
}
