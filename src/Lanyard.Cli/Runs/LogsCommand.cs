using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
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
        var attempt = new Option<int>("--attempt") { Description = "of this attempt (default: the last that has a log)" };
        var scope = new ScopeOptions();
        var command = new Command("logs", "Show the log of a run.") { id, follow, attempt };
        scope.AddTo(command);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var path = $"{scope.RunsPath(arguments, context.Console)}/{RunView.CheckedId(arguments.GetValue(id)!)}";
            using var api = context.Connect(arguments);
            await CopyAsync(api, path, arguments.GetValue(follow), context.Console, cancellationToken, arguments.GetValue(attempt));
            return arguments.GetValue(follow) ? await RunEnd.ReportAsync(api, path, context, cancellationToken) : ExitCode.Done;
        });
        return command;
    }

    /// <summary>
    /// Copies the log to standard output; when following, long poll by long poll and attempt by attempt, until the run is over and nothing is left.
    /// </summary>
    public static async Task CopyAsync(ApiClient api, string run, bool follow, CliConsole console, CancellationToken cancellationToken, int attempt = 0)
    {
        var copy = new LogCopy(console.Out, console.Error) { Attempt = attempt };
        for (var cuts = 0; ;)
        {
            var before = copy.Offset;
            (bool Final, int Attempt) state;
            try
            {
                // Asked before the log is read: what an ended run has written is all there then.
                state = follow ? await StateAsync(api, run, cancellationToken) : (true, 0);
                await CopyOnceAsync(api, run, copy, follow && !state.Final, cancellationToken);
            }
            catch (Exception exception) when (IsCut(exception) && ++cuts < MaxCuts)
            {
                await Task.Delay(cuts * PauseAfterCut, api.Time, cancellationToken);
                continue;
            }

            cuts = copy.Offset > before ? 0 : cuts;
            if (copy.Offset > before || (!copy.IsOver && !state.Final))
            {
                continue;
            }

            if (copy.Attempt >= state.Attempt && state.Final)
            {
                copy.Flush();
                return;
            }

            // Over, and yet the run went on when it was asked: a further attempt may follow, and is spoken of when it does.
            copy.GoTo(copy.Attempt + 1);
        }
    }

    private static async Task<(bool Final, int Attempt)> StateAsync(ApiClient api, string run, CancellationToken cancellationToken)
    {
        var view = await api.GetAsync(run, cancellationToken);
        var attempt = view["attempt"] is JsonValue value && value.TryGetValue<int>(out var number) ? number : 0;
        return (RunStates.IsFinal(RunView.State(view) ?? ""), attempt);
    }

    private static bool IsCut(Exception exception) =>
        exception is IOException or CommandStopped { ExitCode: ExitCode.Unreachable };

    private static async Task CopyOnceAsync(ApiClient api, string run, LogCopy copy, bool wait, CancellationToken cancellationToken)
    {
        var query = $"offset={copy.Offset}{(copy.Attempt > 0 ? $"&attempt={copy.Attempt}" : "")}{(wait ? "&follow=true" : "")}";
        using var request = new HttpRequestMessage(HttpMethod.Get, $"{api.Server}{run}/logs?{query}");
        using var response = await api.SendAsync(request, cancellationToken);
        if (!response.IsSuccessStatusCode)
        {
            throw ApiClient.Stopped(new ApiAnswer(response.StatusCode, await HttpCall.ReadTextAsync(response, cancellationToken), null), run);
        }

        // Every attempt has a log of its own: offsets mean nothing without its number.
        copy.Attempt = Header(response, "Lanyard-Log-Attempt") is { } text && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var attempt) ? attempt : copy.Attempt;
        copy.IsOver = Header(response, "Lanyard-Log-Over") == "true";
        await using var body = await response.Content.ReadAsStreamAsync(cancellationToken);
        await copy.FromAsync(body, cancellationToken);
    }

    private static string? Header(HttpResponseMessage response, string name) => response.Headers.TryGetValues(name, out var values) ? values.FirstOrDefault() : null;
}
