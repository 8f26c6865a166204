using System.Globalization;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>The processes of this machine that belong to a run, by their environment.</summary>
internal static class StepProcesses
{
    /// <param name="attempt">Of that one only.</param>
    public static List<int> Of(string run, int? attempt = null)
    {
        var found = new List<int>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var process)) continue;
            try
            {
                var environment = File.ReadAllText(Path.Combine(folder, "environ")).Split('\0');
                if (environment.Contains($"LANYARD_RUN={run}") && (attempt is null || environment.Contains($"LANYARD_ATTEMPT={attempt}"))) found.Add(process);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // It ended in the meantime.
            }
        }

        return found;
    }
}
