namespace Lanyard.Cli;

/// <summary>
/// What the exit code of an admin command says. They are part of the interface: scripts may rely on them.
/// </summary>
internal static class ExitCode
{
    public const int Done = 0;

    /// <summary>The command did its work and the answer is "no": documents differ, a run did not succeed, a chain is broken, a token would be refused.</summary>
    public const int No = 1;

    /// <summary>The command line, a file or a document can't be understood. Nothing was sent.</summary>
    public const int Usage = 2;

    /// <summary>The server refused: not found, forbidden, a conflict, a mistake in a document. Its words are on standard error.</summary>
    public const int Refused = 3;

    /// <summary>Nobody answered, or the server (or the cluster's API server) failed.</summary>
    public const int Unreachable = 4;

    /// <summary>There is no credential, or the server did not take it.</summary>
    public const int NotAuthenticated = 5;

    public const int Interrupted = 130;
}
