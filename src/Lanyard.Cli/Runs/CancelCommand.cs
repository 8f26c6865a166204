using System.CommandLine;
using Lanyard.Cli.Resources;

namespace Lanyard.Cli.Runs;

/// <summary><c>lanyard cancel RUN</c>: asks for the end; the run is <c>canceled</c> once its process is dead.</summary>
internal static class CancelCommand
{
    public static Command Create(CliContext context)
    {
        var id = new Argument<string>("run") { Description = "run_…" };
        var scope = new ScopeOptions();
        var command = new Command("cancel", "Cancel a run.") { id };
        scope.AddTo(command);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var run = RunView.CheckedId(arguments.GetValue(id)!);
            var path = $"{scope.RunsPath(arguments, context.Console)}/{run}";
            using var api = context.Connect(arguments);
            var answer = await api.PostAsync($"{path}/cancel", null, cancellationToken);
            context.Print(arguments, answer, writer => writer.WriteLine($"{run} {RunView.State(answer)}".TrimEnd()));
            return ExitCode.Done;
        });
        return command;
    }
}
