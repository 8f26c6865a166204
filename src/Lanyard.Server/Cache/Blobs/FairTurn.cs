using System.Runtime.CompilerServices;

namespace Lanyard.Server.Cache.Blobs;

/// <summary>
/// Where others wait for a thread, stands in line behind them. A client that reads as fast as we send lets its transfer go on without an end on one thread, and with as many of those
/// as there are cores all others would get nothing, until the server itself took them for too slow.
/// </summary>
internal readonly struct FairTurn : ICriticalNotifyCompletion
{
    public bool IsCompleted => ThreadPool.PendingWorkItemCount == 0;

    public FairTurn GetAwaiter() => this;

    public void GetResult()
    {
    }

    public void OnCompleted(Action continuation) => UnsafeOnCompleted(continuation);

    public void UnsafeOnCompleted(Action continuation) => ThreadPool.UnsafeQueueUserWorkItem(static next => next(), continuation, preferLocal: false);
}
