namespace Lanyard.Cli.Runner.Sandbox;

internal enum SandboxMode
{
    /// <summary>bubblewrap: namespaces, own folders, own uid where the runner is root.</summary>
    Bubblewrap,

    /// <summary>No walls but the uid (where the runner is root): good for one collection only.</summary>
    None,
}
