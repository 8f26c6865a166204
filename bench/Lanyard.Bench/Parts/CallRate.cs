namespace Lanyard.Bench.Parts;

/// <summary>What one thread makes of calls that take less than a millisecond.</summary>
internal static class CallRate
{
    /// <summary>So many calls go between two looks at the clock.</summary>
    private const int Batch = 256;

    /// <summary>Calls in a CPU-second of this process.</summary>
    public static double PerSecond(Action check, double seconds)
    {
        var began = Cpu.OfSelf;
        long done = 0;
        while (true)
        {
            for (var i = 0; i < Batch; i++)
                check();
            done += Batch;
            if (Cpu.OfSelf - began is var used && used >= seconds)
                return done / used;
        }
    }

    /// <summary>Bytes that this thread allocates in a call.</summary>
    public static double Bytes(Action check)
    {
        const int times = 1000;
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < times; i++)
            check();
        return (double)(GC.GetAllocatedBytesForCurrentThread() - before) / times;
    }
}
