using System.Globalization;

namespace Lanyard.Bench.Parts;

/// <summary>Memory of a process as the kernel counts it.</summary>
internal static class MemoryUse
{
    /// <summary>Proportional set size of a process in MB.</summary>
    public static double PssOf(int process)
    {
        var line = File.ReadLines($"/proc/{process}/smaps_rollup").First(static line => line.StartsWith("Pss:", StringComparison.Ordinal));
        return double.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024;
    }

    /// <summary>Heaps of glibc's malloc, the first one counted: each other one has 64 MiB of addresses at a multiple of 64 MiB, of which it uses the beginning.</summary>
    public static int NativeHeapsOf(int process)
    {
        const ulong size = 64 << 20;
        var maps = File.ReadLines($"/proc/{process}/maps").Select(static line => line.Split(' ', 3)).Select(static fields => (Range: RangeOf(fields[0]), Mode: fields[1])).ToList();
        return 1 + maps.Zip(maps.Skip(1)).Count(static pair => pair.First.Range[0] % size == 0 && pair.First.Mode == "rw-p" && pair.Second.Mode == "---p"
            && pair.First.Range[1] == pair.Second.Range[0] && pair.Second.Range[1] - pair.First.Range[0] == size);
    }

    private static ulong[] RangeOf(string range) => [.. range.Split('-').Select(static at => ulong.Parse(at, NumberStyles.HexNumber, CultureInfo.InvariantCulture))];
}
