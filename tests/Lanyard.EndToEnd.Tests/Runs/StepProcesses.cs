using System.Globalization;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>The processes of this machine that belong to a run, by their environment.</summary>
internal static class StepProcesses
{
    public static List<int> Of(string run)
    {
        var found = new List<int>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var process)) continue;
            try
            {
                if (File.ReadAllText(Path.Combine(folder, "environ")).Contains($"LANYARD_RUN={run}", StringComparison.Ordinal)) found.Add(process);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // It ended in the meantime.
            }
        }

        return found;
    }
}
