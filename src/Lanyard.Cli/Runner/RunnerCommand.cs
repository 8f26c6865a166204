using System.CommandLine;
using Lanyard.Cli.Runner.Platform;
using Lanyard.Cli.Runner.Server;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace Lanyard.Cli.Runner;

/// <summary><c>lanyard runner</c>. Diagnosis goes to standard error; nothing is printed to standard output.</summary>
public static class RunnerCommand
{
    /// <param name="args">Without the word <c>runner</c>.</param>
    /// <returns>The exit code; <c>--help</c> lists them.</returns>
    public static async Task<int> RunAsync(string[] args, CancellationToken cancellationToken)
    {
        var options = new RunnerOptionSet();
        var program = new RootCommand("Lanyard") { options.CreateCommand() };
        var parsed = program.Parse(["runner", .. args]);
        if (parsed.Action is not null && parsed.Errors.Count == 0)
        {
            return await parsed.InvokeAsync(cancellationToken: cancellationToken); // --help and --version
        }

        List<string> mistakes = [];
        if (options.Read(parsed, mistakes) is not { } settings)
        {
            mistakes.ForEach(mistake => Console.Error.WriteLine($"lanyard runner: {mistake}"));
            return RunnerExit.Usage;
        }

        using var factory = LoggerFactory.Create(logging => logging
            .AddSimpleConsole(console => console.SingleLine = true)
            .Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace));
        return await RunAsync(settings with { Adopts = true }, factory.CreateLogger("runner"), TimeProvider.System, cancellationToken);
    }

    private static async Task<int> WithClusterKeysAsync(RunnerHost host, ClusterKeys keys, ClusterReviews? reviews, CancellationToken cancellationToken)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var pushing = Task.WhenAll(keys.RunAsync(over.Token), reviews?.RunAsync(over.Token) ?? Task.CompletedTask);
        try
        {
            return await host.RunAsync(cancellationToken);
        }
        finally
        {
            await over.CancelAsync();
            await pushing.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }

    private static async Task<int> RunAsync(RunnerSettings settings, ILogger log, TimeProvider time, CancellationToken cancellationToken)
    {
        using var http = RunnerHttp.Create(settings.Server, settings.Authorities, settings.Workspace);
        if (settings.TokenFile is { } tokenFile)
        {
            var host = new RunnerHost(settings, new TokenFileCredential(tokenFile, time), http, time, log);
            if (settings.PushKeys is not { } account)
            {
                return await host.RunAsync(cancellationToken);
            }

            var keys = new ClusterKeys(settings, account, http, time, log);
            return await WithClusterKeysAsync(host, keys, settings.ReviewTokens ? new ClusterReviews(settings, keys, http, time, log) : null, cancellationToken);
        }

        if (settings.TokenSource is { } choice)
        {
            var source = TokenSource.Open(choice, settings.Server.AbsoluteUri.TrimEnd('/'), time);
            using var platform = ApiTokenCredential.ForPlatform(source, settings.Name!, http, settings.Server, time);
            using var connections = source as IDisposable;
            return await new RunnerHost(settings, platform, http, time, log).RunAsync(cancellationToken);
        }

        if (!HostKey.Open(settings.KeyFile!, time).TryGet(out var key, out var noKey))
        {
            log.CanNotRun(noKey.Detail);
            return RunnerExit.NotSafe;
        }

        using (key)
        using (var credential = ApiTokenCredential.ForKey(key, http, settings.Server, time))
        {
            var registration = new HostRegistration(key, http, settings, time, log);
            return await new RunnerHost(settings, credential, http, time, log, registration.WaitForApprovalAsync).RunAsync(cancellationToken);
        }
    }
}
