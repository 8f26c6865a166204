using Lanyard.Cli.Runner.Clouds;
using Lanyard.Cli.Runner.Sandbox;

namespace Lanyard.Cli.Runner.Attempts;

/// <summary>Where the steps of one attempt run: a sandbox on this host, or the other container of this pod. Disposed, it leaves nothing.</summary>
internal abstract class StepPlace : IDisposable
{
    /// <summary>The PATH of steps; null: their image's own.</summary>
    public abstract string? SearchPath { get; }

    /// <summary>The folder that steps start in, as they see it.</summary>
    public abstract string Home { get; }

    /// <summary>The folder of <see cref="OpenClouds"/>, as steps see it.</summary>
    public abstract string Clouds { get; }

    /// <summary>A folder for the attempt's temporary files, as steps see it.</summary>
    public abstract string Temporary { get; }

    /// <summary>Makes a host's name lead to loopback, for the steps of this attempt and nobody else.</summary>
    /// <returns>False where this place has no names of its own.</returns>
    public virtual bool TryName(string host) => false;

    /// <summary>A folder for the attempt's cloud files, which steps can read and not write.</summary>
    public abstract CloudFolder OpenClouds();

    /// <summary>Puts a script where a step can read it.</summary>
    public abstract StepCommand Script(string script, IReadOnlyDictionary<string, string> environment);

    /// <exception cref="IOException">There is no place any more.</exception>
    /// <exception cref="System.ComponentModel.Win32Exception">The sandbox's programs can't be started.</exception>
    public abstract Task<RunningStep> StartAsync(StepCommand command);

    /// <summary>Ends a step that uses more than its attempt may. A pod's limits are its cluster's to keep.</summary>
    /// <returns>Why it was ended, for people; null where it was not.</returns>
    public virtual Task<string?> WatchAsync(RunningStep step, CancellationToken ended) => Task.FromResult<string?>(null);

    /// <summary>Puts a file where steps start. False where that can't be.</summary>
    /// <param name="name">A path below that folder, with no link on its way.</param>
    public virtual bool WriteFile(string name, ReadOnlySpan<byte> content) => false;

    /// <summary>A file that a step has left where it started; null where there is none of its own, or it is longer.</summary>
    /// <param name="name">A name, no path.</param>
    public virtual byte[]? ReadFile(string name, int most) => null;

    public abstract void Dispose();
}

/// <summary>A step's process and everything below it.</summary>
internal abstract class RunningStep : IDisposable
{
    /// <summary>Standard output and error, in the order in which they were written.</summary>
    public abstract Stream Output { get; }

    /// <summary>Completes when the process has ended and nothing of it is left.</summary>
    public abstract Task<StepExit> WaitAsync();

    /// <summary>
    /// Asks politely (SIGTERM). A program gets it alone and passes it on as it sees fit: its helpers must outlive it while it saves its
    /// state. A script gets it together with its direct children, because a shell tells nobody.
    /// </summary>
    /// <returns>False when there was nobody to hear it.</returns>
    public abstract bool Terminate();

    public abstract void Kill();

    public abstract void Dispose();
}
