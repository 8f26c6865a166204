namespace Lanyard.Cli.Connection;

/// <summary>A refusal's commonest cause that nobody sees: this machine's clock and the server's differ by more than tokens may.</summary>
internal static class ClockSkew
{
    private static readonly TimeSpan Tolerated = TimeSpan.FromSeconds(60);

    /// <summary>Behind a sentence; empty where the clocks agree, or the server tells no time.</summary>
    public static string Words(HttpResponseMessage response, TimeProvider time)
    {
        if (response.Headers.Date is not { } there)
        {
            return "";
        }

        var ahead = time.GetUtcNow() - there;
        return ahead.Duration() <= Tolerated ? "" : $"; this machine's clock is {ahead.Duration().TotalSeconds:0} s {(ahead > TimeSpan.Zero ? "ahead of" : "behind")} the server's: set it right";
    }
}
