namespace Lanyard.Cli.Runner;

/// <summary>What fences every call about an attempt: run and attempt number.</summary>
internal readonly record struct AttemptKey(string Run, int Attempt)
{
    public override string ToString() => $"{Run}.{Attempt}";

    /// <summary>
    /// Ids become parts of paths, on the wire and on disk: anything but a typed id (<c>run_</c> and Crockford base32) is refused.
    /// </summary>
    public bool IsWellFormed =>
        Attempt is >= 1 and <= 1_000_000
        && Run.Length is > 4 and <= 64
        && Run.StartsWith("run_", StringComparison.Ordinal)
        && Run.AsSpan(4).IndexOfAnyExcept(IdCharacters) < 0;

    private static readonly System.Buffers.SearchValues<char> IdCharacters = System.Buffers.SearchValues.Create("0123456789abcdefghijklmnopqrstuvwxyz");
}
