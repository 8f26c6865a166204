using Lanyard.Identity;

namespace Lanyard.Cli.Runner.Server;

/// <summary>How the runner proves who it is: by a projected service-account token, or by a key of its own.</summary>
internal abstract class RunnerCredential
{
    /// <summary>A bearer that is good now. A refusal is worth repeating later: files are rotated, servers come back.</summary>
    public abstract ValueTask<Outcome<string>> GetAsync(CancellationToken cancellationToken);

    /// <summary>The server took <paramref name="bearer"/>.</summary>
    public virtual void Accepted(string bearer)
    {
    }

    /// <summary>The server did not take <paramref name="bearer"/>: the next call must not use a remembered copy of it.</summary>
    public virtual void Refused(string bearer)
    {
    }
}
