namespace Lanyard.ClusterProxy.Cluster;

/// <summary>
/// Looks at a file every few seconds and says when its content changed. Polling, because Kubernetes swaps mounted files by symbolic links,
/// which change notifications miss. What can't be read or used leaves the old in place.
/// </summary>
internal sealed class FileWatch : IDisposable
{
    public static readonly TimeSpan Period = TimeSpan.FromSeconds(5);

    private readonly string _file;
    private readonly Action<string> _changed;
    private readonly Action<string, Exception> _failed;
    private readonly ITimer _timer;
    private string? _last;
    private int _busy;

    /// <param name="changed">Called with the new content; may throw to refuse it.</param>
    /// <param name="failed">Called once for each content that was refused, and each time the file can't be read.</param>
    public FileWatch(string file, string current, Action<string> changed, Action<string, Exception> failed, TimeProvider time)
    {
        (_file, _last, _changed, _failed) = (file, current, changed, failed);
        _timer = time.CreateTimer(_ => Look(), null, Period, Period);
    }

    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        if (Interlocked.Exchange(ref _busy, 1) == 1)
        {
            return;
        }

        try
        {
            var content = File.ReadAllText(_file);
            if (content != _last)
            {
                _last = content;
                _changed(content);
            }
        }
#pragma warning disable CA1031 // whatever is wrong with the new file, the old configuration goes on
        catch (Exception e)
#pragma warning restore CA1031
        {
            _failed(_file, e);
        }
        finally
        {
            Volatile.Write(ref _busy, 0);
        }
    }
}
