namespace Lanyard.Identity.Federation;

/// <summary>Why another machine was not reached, in words for whoever waits: what the system or TLS said, and where that alone helps nobody, what it means.</summary>
public static class ConnectionFault
{
    /// <param name="exception">What the call ended with.</param>
    /// <param name="target">Where it went.</param>
    /// <param name="trust">How an authority is named that is to be trusted, such as <c>--ca-file FILE</c>.</param>
    public static string Words(Exception exception, Uri? target = null, string? trust = null)
    {
        var cause = exception;
        while (cause.InnerException is { } inner)
        {
            cause = inner;
        }

        return exception switch
        {
            OperationCanceledException => "no answer in time",
            HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError } => OfTls(cause.Message, trust),
            HttpRequestException { HttpRequestError: HttpRequestError.ResponseEnded } when target?.Scheme == Uri.UriSchemeHttp =>
                "the connection was closed without an answer (does it want https?)",
            HttpRequestException { HttpRequestError: HttpRequestError.ResponseEnded } => "the connection was closed without an answer",
            _ => cause.Message,
        };
    }

    private static string OfTls(string said, string? trust)
    {
        bool Says(string word) => said.Contains(word, StringComparison.Ordinal);
        return Says("frame size") ? "what answers there does not speak TLS (is it http?)"
            : Says("NameMismatch") ? "its certificate is for another name"
            : Says("NotTimeValid") ? "its certificate has expired or is not valid yet, or the clock here is wrong"
            : Says("UntrustedRoot") || Says("PartialChain") || Says("ChainErrors") || Says("ValidationCallback")
                ? "its certificate is of no authority that is trusted here" + (trust is null ? "" : $"; {trust} names one to be trusted")
            : said;
    }
}
