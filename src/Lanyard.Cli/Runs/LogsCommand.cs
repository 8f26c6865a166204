using System.CommandLine;
using System.Net;
using Lanyard.Cli.Connection;
using Lanyard.Cli.Resources;
using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runs;

/// <summary><c>lanyard logs RUN [-f]</c>: the log's bytes as they are, from the offset where a cut connection left off.</summary>
internal static class LogsCommand
{
    /// <summary>Cuts in a row without a byte between them before the command gives up.</summary>
    private const int MaxCuts = 5;

    private static readonly TimeSpan PauseAfterCut = TimeSpan.FromMilliseconds(100);

    public static Command Create(CliContext context)
    {
        var id = new Argument<string>("run") { Description = "run_…" };
        var follow = new Option<bool>("--follow", "-f") { Description = "go on until the run has ended; exit code 1 unless it succeeded" };
        var scope = new ScopeOptions();
        var command = new Command("logs", "Show the log of a run.") { id, follow };
        scope.AddTo(command);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var path = $"{scope.RunsPath(arguments, context.Console)}/{RunView.CheckedId(arguments.GetValue(id)!)}";
            using var api = context.Connect(arguments);
            await CopyAsync(api, path, arguments.GetValue(follow), context.Console, cancellationToken);
            return arguments.GetValue(follow) ? await RunEnd.ReportAsync(api, path, context, cancellationToken) : ExitCode.Done;
        });
        return command;
    }

    /// <summary>Copies the log to standard output; when following, long poll by long poll until the run is over and nothing is left.</summary>
    public static async Task CopyAsync(ApiClient api, string run, bool follow, CliConsole console, CancellationToken cancellationToken)
    {
        var copy = new LogCopy(console.Out);
        for (var cuts = 0; ;)
        {
            var before = copy.Offset;
            bool over;
            try
            {
                // Asked before the log is read: what an ended run has written is all there then.
                over = !follow || RunStates.IsFinal(RunView.State(await api.GetAsync(run, cancellationToken)) ?? "");
                await CopyOnceAsync(api, run, copy, follow && !over, cancellationToken);
            }
            catch (Exception exception) when (IsCut(exception) && ++cuts < MaxCuts)
            {
                await Task.Delay(cuts * PauseAfterCut, api.Time, cancellationToken);
                continue;
            }

            cuts = copy.Offset > before ? 0 : cuts;
            if (over && copy.Offset == before)
            {
                copy.Flush();
                return;
            }
        }
    }

    private static bool IsCut(Exception exception) =>
        exception is IOException or CommandStopped { ExitCode: ExitCode.Unreachable };

    private static async Task CopyOnceAsync(ApiClient api, string run, LogCopy copy, bool wait, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"{api.Server}{run}/logs?offset={copy.Offset}{(wait ? "&follow=true" : "")}");
        using var response = await api.SendAsync(request, cancellationToken);
        if (response.StatusCode is HttpStatusCode.RequestedRangeNotSatisfiable or HttpStatusCode.NoContent)
        {
            return;
        }

        if (!response.IsSuccessStatusCode)
        {
            throw ApiClient.Stopped(new ApiAnswer(response.StatusCode, await HttpCall.ReadTextAsync(response, cancellationToken), null), run);
        }

        await using var body = await response.Content.ReadAsStreamAsync(cancellationToken);
        await copy.FromAsync(body, cancellationToken);
    }
}
