using Lanyard.Bench.Parts;

namespace Lanyard.Bench.Cache;

/// <summary>The most memory that a process had since this began, looked at twenty times a second.</summary>
internal sealed class MemoryPeak : IDisposable
{
    private readonly Timer _timer;
    private double _most;

    public MemoryPeak(int process) => _timer = new Timer(_ => Look(process), null, TimeSpan.Zero, TimeSpan.FromMilliseconds(50));

    /// <summary>Proportional set size.</summary>
    public double Megabytes => Volatile.Read(ref _most);

    public void Dispose() => _timer.Dispose();

    private void Look(int process)
    {
        var now = MemoryUse.PssOf(process);
        if (now > Volatile.Read(ref _most))
            Volatile.Write(ref _most, now);
    }
}
