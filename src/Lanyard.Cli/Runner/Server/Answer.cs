using System.Net;

namespace Lanyard.Cli.Runner.Server;

/// <summary>What an answer of the server means for the runner, whatever the call was.</summary>
internal enum AnswerKind
{
    Ok,

    /// <summary>409: another attempt or session has taken the place. Kill, and say nothing more.</summary>
    Stale,

    /// <summary>410 (or 404): the thing is over. Kill, and say nothing more.</summary>
    Over,

    /// <summary>416: a gap in the log.</summary>
    Gap,

    /// <summary>401 or 403: the credential is not (or no more) good.</summary>
    Unauthenticated,

    /// <summary>Another 4xx: repeating the call would not help.</summary>
    Refused,

    /// <summary>No answer, half an answer, 408, 429 or 5xx: the same call again, later.</summary>
    Retry,
}

internal readonly record struct Answer<T>(AnswerKind Kind, T? Value = default, TimeSpan? RetryAfter = null, string? Detail = null)
{
    /// <summary>No repetition changes it. A refused credential is not final: it may be renewed.</summary>
    public bool IsFinal => Kind is AnswerKind.Stale or AnswerKind.Over or AnswerKind.Refused;
}

/// <summary>An answer that is not of the protocol.</summary>
internal sealed record RawAnswer(HttpStatusCode Status, byte[] Body, string? MediaType)
{
    /// <summary>The same call again, later: the server is away or busy, or does not know the credential yet (401, 403: its key is new, its answer about it late).</summary>
    public bool IsPassing => ControlPlane.KindOf(Status) is AnswerKind.Retry or AnswerKind.Unauthenticated;
}
