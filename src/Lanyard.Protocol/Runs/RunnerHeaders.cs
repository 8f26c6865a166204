namespace Lanyard.Protocol.Runs;

/// <summary>Headers of the run protocol.</summary>
public static class RunnerHeaders
{
    /// <summary>
    /// The slug of the workspace as whose runner or pod the caller comes. Several workspaces may have registered one cluster: with it, only what that workspace and the
    /// instance say of the token counts.
    /// </summary>
    public const string Workspace = "Lanyard-Workspace";
}
