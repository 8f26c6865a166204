using System.Diagnostics;
using System.Globalization;
using System.Net;

namespace Lanyard.Bench.Cache;

/// <summary>The plain HTTP client of the transfers: curl, the same for us and for nginx. URLs go in by its standard input, because ours are signed.</summary>
internal static class Curl
{
    /// <summary>Reads it and throws it away.</summary>
    /// <param name="bytes">How many must come.</param>
    /// <param name="range">Such as <c>0-99</c>; null: all of it.</param>
    /// <returns>Seconds, without the start of the process.</returns>
    public static Task<double> GetAsync(string url, long bytes, string? range = null) =>
        RunAsync(url, range is null ? [] : ["--range", range], answer => answer.Received == bytes && answer.Status is 200 or 206);

    /// <summary>Sends a file.</summary>
    public static Task<double> PutAsync(string url, string file) =>
        RunAsync(url, ["--upload-file", file, "--header", "Expect:"], static answer => answer.Status is 200 or 201 or 204);

    /// <summary>Several read at the same time.</summary>
    /// <returns>Seconds from the first start to the last end.</returns>
    public static async Task<double> GetAllAsync(string url, long bytes, string range, int count)
    {
        var began = TimeProvider.System.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, count).Select(_ => GetAsync(url, bytes, range)));
        return TimeProvider.System.GetElapsedTime(began).TotalSeconds;
    }

    private static async Task<double> RunAsync(string url, string[] arguments, Func<Answer, bool> isGood)
    {
        string[] all = ["--silent", "--show-error", "--config", "-", "--output", "/dev/null", "--write-out", "%{http_code} %{size_download} %{time_total}", .. arguments];
        var start = new ProcessStartInfo("curl", all) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        await process.StandardInput.WriteAsync($"url = \"{url}\"\n");
        process.StandardInput.Close();
        var errors = process.StandardError.ReadToEndAsync();
        var said = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 && Answer.Read(said) is var answer && isGood(answer)
            ? answer.Seconds
            : throw new InvalidOperationException($"curl ended with {process.ExitCode} ({said}): {await errors}");
    }

    private sealed record Answer(int Status, long Received, double Seconds)
    {
        public static Answer Read(string text)
        {
            var parts = text.Split(' ');
            return new Answer(
                int.Parse(parts[0], CultureInfo.InvariantCulture), long.Parse(parts[1], CultureInfo.InvariantCulture), double.Parse(parts[2], CultureInfo.InvariantCulture));
        }
    }
}
