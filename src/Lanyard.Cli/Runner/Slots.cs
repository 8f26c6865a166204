namespace Lanyard.Cli.Runner;

/// <summary>Places for attempts, numbered, because the number makes the uid. The one free for longest is given first.</summary>
internal sealed class Slots
{
    private readonly Lock _gate = new();
    private readonly Queue<int> _free;

    public Slots(int count) => _free = new Queue<int>(Enumerable.Range(0, count));

    public int Free
    {
        get
        {
            lock (_gate)
            {
                return _free.Count;
            }
        }
    }

    public bool TryTake(out int slot)
    {
        lock (_gate)
        {
            return _free.TryDequeue(out slot);
        }
    }

    public void Give(int slot)
    {
        lock (_gate)
        {
            _free.Enqueue(slot);
        }
    }
}
