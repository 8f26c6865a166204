namespace Lanyard.Testing.Runs;

/// <summary>What goes wrong with one call to <see cref="FakeControlPlane"/>.</summary>
public enum Fault
{
    None,

    /// <summary>The connection breaks before the server has seen the call.</summary>
    LoseCall,

    /// <summary>The server acts on the call, and the connection breaks before the answer arrives.</summary>
    LoseAnswer,

    /// <summary>503.</summary>
    Unavailable,

    /// <summary>409.</summary>
    Stale,

    /// <summary>410.</summary>
    Over,

    /// <summary>The server never answers.</summary>
    Hang,
}
