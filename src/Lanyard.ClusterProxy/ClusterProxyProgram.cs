using System.Security.Cryptography;
using Lanyard.ClusterProxy.AccessEntries;
using Lanyard.ClusterProxy.Configuration;
using Lanyard.ClusterProxy.Serving;
using Lanyard.ClusterProxy.Tls;
using Lanyard.Protocol.Terminal;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace Lanyard.ClusterProxy;

/// <summary>
/// <c>lanyard cluster-proxy</c>: the Kubernetes CI/CD proxy. It takes a pipeline's own OIDC token, verifies it, and forwards the request to the
/// API server impersonating the user that the token becomes. It runs without a Lanyard server.
/// </summary>
public static class ClusterProxyProgram
{
    private const int Misused = 2;

    /// <summary>The options of its commands, for completion.</summary>
    public static IEnumerable<string> Usages =>
        [$"usage: lanyard cluster-proxy {string.Join(' ', ClusterProxyOptions.Flags.Select(static flag => flag.IsSwitch ? $"[{flag.Name}]" : $"[{flag.Name} VALUE]"))}", AccessEntryCommand.Usage];

    /// <returns>0 after a stop, 2 when the command line or a file can't be used, 1 when it can't listen.</returns>
    public static async Task<int> RunAsync(string[] args)
    {
        ArgumentNullException.ThrowIfNull(args);
        if (args is ["help", ..] || args.Any(static word => word is "--help" or "-h"))
        {
            Console.Out.Write(Help(HelpColumns.TerminalWidth()));
            return 0;
        }

        ProxyServer.PreferInlineCompletions();
        NativeHeaps.Limit();
        try
        {
            using var loggers = LoggerFactory.Create(Log);
            var options = ClusterProxyOptions.Parse(args);
            using var entries = options.EntrySource is { } from ? new EntrySource(from, TimeProvider.System, loggers.CreateLogger<EntrySource>()) : null;
            await (entries?.StartAsync() ?? Task.CompletedTask);
            await using var proxy = new ClusterProxyHost(options, TimeProvider.System, loggers);
            await proxy.StartAsync();
            await Console.Error.WriteLineAsync($"lanyard cluster-proxy: ready on {proxy.Address.GetLeftPart(UriPartial.Authority)}");
            await proxy.WaitForShutdownAsync();
            return 0;
        }
        catch (Exception e) when (IsMisuse(e))
        {
            await Console.Error.WriteLineAsync($"lanyard cluster-proxy: {e.Message}");
            return Misused;
        }
        catch (IOException e)
        {
            await Console.Error.WriteLineAsync($"lanyard cluster-proxy: {e.Message}");
            return 1;
        }
    }

    /// <summary>Whether <c>lanyard explain</c> is asked about the proxy's own files: that needs no server.</summary>
    public static bool Explains(string[] args) =>
        args.Any(a => a.StartsWith("--authentication-config", StringComparison.Ordinal) || a.StartsWith("--oidc-", StringComparison.Ordinal));

    /// <returns>0 when the token would be let in, 1 when not, 2 when the command line or a file can't be used.</returns>
    public static async Task<int> ExplainAsync(string[] args, TextReader input, TextWriter output, TextWriter errors)
    {
        ArgumentNullException.ThrowIfNull(args);
        ArgumentNullException.ThrowIfNull(errors);
        if (args.Any(static word => word is "--help" or "-h"))
        {
            await output.WriteAsync(Explain.ExplainCommand.Help(HelpColumns.TerminalWidth()));
            return 0;
        }

        try
        {
            return await Explain.ExplainCommand.RunAsync(args, input, output, TimeProvider.System);
        }
        catch (Exception e) when (IsMisuse(e))
        {
            await errors.WriteLineAsync($"lanyard explain: {e.Message}");
            return Misused;
        }
    }

    /// <summary><c>lanyard access-entry …</c></summary>
    /// <returns>0 when done, 1 with warnings, 2 when the command line or a file can't be used.</returns>
    public static int RunAccessEntry(string[] args, TextWriter output, TextWriter errors)
    {
        ArgumentNullException.ThrowIfNull(errors);
        try
        {
            return AccessEntryCommand.Run(args, output);
        }
        catch (Exception e) when (IsMisuse(e))
        {
            errors.WriteLine($"lanyard access-entry: {e.Message}");
            return Misused;
        }
    }

    private static bool IsMisuse(Exception e) => e is ConfigurationException or CryptographicException or FileNotFoundException or DirectoryNotFoundException
        or UnauthorizedAccessException or ArgumentException;

    private static void Log(ILoggingBuilder logging)
    {
        logging.SetMinimumLevel(LogLevel.Information).AddFilter("Microsoft", LogLevel.Warning);

        // It says nothing above Information, and as long as it may speak at all each request makes an Activity for it.
        logging.AddFilter("Microsoft.AspNetCore.Hosting.Diagnostics", LogLevel.None).AddJsonConsole(json =>
        {
            json.UseUtcTimestamp = true;
            json.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ";
        });
        logging.Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
    }

    internal static string Help(int width) =>
        HelpColumns.Paragraph("Usage:", "lanyard cluster-proxy --kubeconfig FILE --authentication-config FILE --listen ADDRESS:PORT --tls-cert-file FILE --tls-private-key-file FILE", width)
        + HelpColumns.Of([.. ClusterProxyOptions.Flags.Select(static flag => (flag.Name, flag.Help))], width);
}
