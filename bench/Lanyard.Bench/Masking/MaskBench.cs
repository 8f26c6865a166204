using System.Buffers;
using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using Lanyard.Bench.Parts;
using Lanyard.Bench.Rows;
using Lanyard.Cli.Runner.Logs;

namespace Lanyard.Bench.Masking;

/// <summary>
/// The runner's masking of a log against <c>LC_ALL=C sed</c> with one alternation of the same literals: 20 secrets of 40 characters in all their forms, once in output that
/// holds none of them and once where every hundredth line has one. Bytes per CPU-second; both read the same file.
/// </summary>
internal static class MaskBench
{
    private const int Secrets = 20;
    private const int Chunk = 32 * 1024;
    private const long FileBytes = 64L << 20;
    private const string Unit = "MB / CPU-s";

    public static async Task<(List<BenchRow> Rows, string Note)> RunAsync()
    {
        var folder = Directory.CreateTempSubdirectory("lanyard-mask-").FullName;
        try
        {
            var random = new Random(5);
            string[] secrets = [.. Enumerable.Range(0, Secrets).Select(_ => Text(random, 40))];
            var script = Path.Combine(folder, "script.sed");
            var forms = secrets.SelectMany(static secret => SecretVariants.Of(secret).All).Select(Encoding.UTF8.GetString).Distinct(StringComparer.Ordinal).ToList();
            await File.WriteAllTextAsync(script, $"s/{string.Join('|', forms.Select(static form => Regex.Replace(form, "[^A-Za-z0-9]", @"\$0")))}/***/g\n");
            string[] files = [WriteLog(folder, random, secrets, 0), WriteLog(folder, random, secrets, 100)];
            foreach (var file in files)
                Check(secrets, file, script);
            var medians = await new RoundLoop("mask", [], TimeSpan.FromSeconds(90)).RunAsync(() =>
            {
                var values = new Dictionary<string, double>(StringComparer.Ordinal);
                foreach (var file in files)
                {
                    values["ours " + Path.GetFileName(file)] = Ours(secrets, file, Stream.Null);
                    values["sed " + Path.GetFileName(file)] = Sed(script, file, "/dev/null");
                }
                return Task.FromResult(values);
            });
            return ([Row("plain", "output without secrets"), Row("some", "a secret in every hundredth line")], medians.Note + $"; {forms.Count} literals of {Secrets} secrets");

            BenchRow Row(string log, string shown) => BenchRow.Rate($"masking, {shown}", medians["ours " + log], medians["sed " + log], "LC_ALL=C sed", Unit, 1);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string WriteLog(string folder, Random random, string[] secrets, int every)
    {
        var path = Path.Combine(folder, every == 0 ? "plain" : "some");
        using var writer = new StreamWriter(path);
        var words = Enumerable.Range(0, 500).Select(_ => Text(random, 2 + random.Next(10))).ToArray();
        for (long line = 1, written = 0; written < FileBytes; line++)
        {
            var text = $"2026-01-01T12:00:{line % 60:d2}Z INFO {words[random.Next(500)]} {words[random.Next(500)]} id={random.Next()} {words[random.Next(500)]} took {random.Next(1000)} ms";
            text += every > 0 && line % every == 0 ? $" token={secrets[random.Next(Secrets)]} done" : "";
            writer.WriteLine(text);
            written += text.Length + 1;
        }
        return path;
    }

    /// <summary>A figure of two programs that do different things says nothing.</summary>
    private static void Check(string[] secrets, string file, string script)
    {
        using (var output = File.Create(file + ".ours"))
            Ours(secrets, file, output);
        Sed(script, file, file + ".sed");
        if (!File.ReadAllBytes(file + ".ours").AsSpan().SequenceEqual(File.ReadAllBytes(file + ".sed")))
            throw new InvalidOperationException($"sed masks {Path.GetFileName(file)} differently");
    }

    private static double Ours(string[] secrets, string file, Stream output)
    {
        var mask = new SecretMask();
        foreach (var secret in secrets)
            mask.Add(secret);
        var commands = new MaskCommands(mask);
        var masked = new ArrayBufferWriter<byte>();
        var chunk = new byte[Chunk];
        using var input = File.OpenRead(file);
        var began = Cpu.OfSelf;
        while (input.Read(chunk) is > 0 and var read)
        {
            commands.Write(chunk.AsSpan(0, read), masked);
            output.Write(masked.WrittenSpan);
            masked.ResetWrittenCount();
        }
        commands.Flush(masked);
        mask.Flush(masked);
        output.Write(masked.WrittenSpan);
        return input.Length / 1e6 / (Cpu.OfSelf - began);
    }

    private static double Sed(string script, string file, string output)
    {
        var began = Cpu.OfEnded;
        var start = new ProcessStartInfo("/bin/sh", ["-c", "exec sed -E -f \"$1\" \"$2\" >\"$3\"", "sh", script, file, output]) { Environment = { ["LC_ALL"] = "C" } };
        using var process = Process.Start(start)!;
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"sed ended with {process.ExitCode}");
        return new FileInfo(file).Length / 1e6 / (Cpu.OfEnded - began);
    }

    private static string Text(Random random, int length)
    {
        const string letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        return new string([.. Enumerable.Range(0, length).Select(_ => letters[random.Next(letters.Length)])]);
    }
}
