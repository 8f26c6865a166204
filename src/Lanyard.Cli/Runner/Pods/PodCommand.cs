using System.Runtime.InteropServices;
using Lanyard.Cli.Runner.Server;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace Lanyard.Cli.Runner.Pods;

/// <summary><c>lanyard pod</c>: the container <c>lanyard</c> of an attempt's pod. Not for people; the runner starts it with everything that it needs.</summary>
internal static class PodCommand
{
    public static async Task<int> RunAsync(string[] args)
    {
        List<string> mistakes = args.Length > 0 ? ["lanyard pod takes no arguments: `lanyard runner --executor kubernetes` starts it in the pods that it makes"] : [];
        if (PodSettings.Read(Environment.GetEnvironmentVariable, mistakes) is not { } settings)
        {
            mistakes.ForEach(mistake => Console.Error.WriteLine($"lanyard pod: {mistake}"));
            return RunnerExit.Usage;
        }

        using var factory = LoggerFactory.Create(logging => logging
            .AddSimpleConsole(console => console.SingleLine = true)
            .Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace));
        var log = factory.CreateLogger("pod");
        using (var http = RunnerHttp.Create(settings.Server, settings.Authorities, settings.Workspace))
        using (var terminated = new CancellationTokenSource())
        using (PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => Cancel(context, terminated)))
        {
            return await new PodHost(settings, http, new TokenFileCredential(settings.TokenFile, TimeProvider.System), TimeProvider.System, log).RunAsync(terminated.Token);
        }
    }

    private static void Cancel(PosixSignalContext context, CancellationTokenSource terminated)
    {
        context.Cancel = true; // not the runtime's own end
        terminated.Cancel();
    }
}
