using System.Runtime.InteropServices;

namespace Lanyard.ClusterProxy.Serving;

/// <summary>SIGTERM, SIGINT and SIGQUIT ask the process to stop instead of ending it.</summary>
internal sealed class StopSignals : IDisposable
{
    private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly PosixSignalRegistration[] _registrations;

    public StopSignals() => _registrations = [.. ((PosixSignal[])[PosixSignal.SIGTERM, PosixSignal.SIGINT, PosixSignal.SIGQUIT]).Select(signal => PosixSignalRegistration.Create(signal, Ask))];

    /// <summary>Ends with the first of them.</summary>
    public Task Asked => _asked.Task;

    public void Dispose() => Array.ForEach(_registrations, static registration => registration.Dispose());

    private void Ask(PosixSignalContext signal)
    {
        signal.Cancel = true;
        _asked.TrySetResult();
    }
}
