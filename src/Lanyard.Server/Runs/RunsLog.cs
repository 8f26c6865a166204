using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Runs;

internal static partial class RunsLog
{
    [LoggerMessage(LogLevel.Information, "Run {Run} attempt {Attempt} is {AttemptState}, the run {State}: {Reason}")]
    public static partial void Expired(this ILogger logger, string run, int attempt, string attemptState, string state, string? reason);

    [LoggerMessage(LogLevel.Error, "The log of run {Run} can't be followed; those who do are cut off, and come again")]
    public static partial void TailBroke(this ILogger logger, Exception exception, string run);

    [LoggerMessage(LogLevel.Information, "Run {Run} attempt {Attempt} was accepted by {Runner}")]
    public static partial void Accepted(this ILogger logger, string run, int attempt, string runner);

    [LoggerMessage(LogLevel.Information, "Run {Run} attempt {Attempt} has the pod {Namespace}/{Name} ({Uid})")]
    public static partial void PodBound(this ILogger logger, string run, int attempt, string @namespace, string name, string uid);

    [LoggerMessage(LogLevel.Information, "Run {Run} attempt {Attempt} of {Runner}: its pod has proved itself and has the attempt's tokens")]
    public static partial void GivenToPod(this ILogger logger, string run, int attempt, string runner);

    [LoggerMessage(LogLevel.Information, "Run {Run} attempt {Attempt} ended: {Outcome}, log complete: {LogComplete}")]
    public static partial void Ended(this ILogger logger, string run, int attempt, string outcome, bool logComplete);

    [LoggerMessage(LogLevel.Information, "Runner {Runner} calls about run {Run} attempt {Attempt}: {Refusal}")]
    public static partial void CallRefused(this ILogger logger, string runner, string run, int attempt, string refusal);
}
