using System.CommandLine;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;

namespace Lanyard.Cli.Demo;

/// <summary>
/// <c>lanyard demo</c>, behind <c>./run</c>: a server on SQLite, this machine as a runner, and a first run whose identity token is checked by a separate
/// process that knows the issuer's URL alone.
/// </summary>
internal static class DemoCommand
{
    public static Command Create(CliContext context)
    {
        var once = new Option<bool>("--once") { Description = "end after the first run; data goes to a temporary folder" };
        var json = new Option<bool>("--json") { Description = "print one JSON object" };
        var listen = new Option<string?>("--listen") { Description = "where the server listens (default 127.0.0.1:7700, with --once a free port)" };
        var command = new Command("demo", "Start a server and a runner on this machine, and let a first run prove its identity.") { once, json, listen };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var isOnce = arguments.GetValue(once);
            var scratch = Directory.CreateTempSubdirectory("lanyard-demo-").FullName;
            // Steps run under uids of their own, which must be able to go through the folder.
            if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(scratch, (UnixFileMode)0b111_001_001);
            // A terminal's hang-up and a supervisor's SIGTERM end the server and the runner too, which would otherwise keep the port and the key.
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            using var terminated = StopOn(PosixSignal.SIGTERM, stop);
            using var interrupted = StopOn(PosixSignal.SIGINT, stop);
            using var hungUp = StopOn(PosixSignal.SIGHUP, stop);
            try
            {
                var data = isOnce ? Path.Combine(scratch, "data") : Path.GetFullPath(".lanyard");
                return await RunAsync(context, data, scratch, arguments.GetValue(listen) ?? (isOnce ? "127.0.0.1:0" : "127.0.0.1:7700"), isOnce, arguments.GetValue(json), stop.Token);
            }
            finally
            {
                Directory.Delete(scratch, recursive: true);
            }
        });
        return command;
    }

    private static PosixSignalRegistration StopOn(PosixSignal signal, CancellationTokenSource stop) => PosixSignalRegistration.Create(signal, received =>
    {
        received.Cancel = true;
        stop.Cancel();
    });

    private static async Task<int> RunAsync(CliContext context, string data, string scratch, string listen, bool once, bool json, CancellationToken cancellation)
    {
        var started = context.Console.Time.GetTimestamp();
        context.Say("Starting a server, a relying party and a runner; a first run follows ...");
        await using var server = DemoProcess.Start("server", "--data-dir", data, "--listen", listen, "--instance", "demo");
        var url = await server.WaitForAsync("ready at ", cancellation);
        using var http = Transport.Create(null);
        using var api = new ApiClient(new Uri(url), http, new AdminKeyBearer(AdminKeyFile.Read(Path.Combine(data, DataDirectory.AdminKeyFile)), url, http, context.Console.Time), context.Console.Time);
        var steps = new DemoSteps(api);
        await steps.PrepareAsync(cancellation);

        var issuer = $"{url}/oidc/demo";
        await using var relyingParty = DemoProcess.Start("verify", "--issuer", issuer, "--audience", DemoSteps.Audience, "--listen", "127.0.0.1:0");
        var port = new Uri(await relyingParty.WaitForAsync("listening at ", cancellation)).Port;
        await using var runner = DemoProcess.Start(
            "runner", "--server", url, "--name", "this-machine", "--key-file", Path.Combine(data, "runner", "key.pem"), "--work-dir", Path.Combine(scratch, "work"));
        if (!File.Exists(Path.Combine(data, "runner", "approved")))
        {
            var words = await runner.WaitForAsync("lanyard runner approve ", cancellation);
            await steps.ApproveAsync(words.Split(' ')[0], cancellation);
            await File.WriteAllTextAsync(Path.Combine(data, "runner", "approved"), words, cancellation);
        }

        var run = await steps.RunAsync(port, cancellation);
        var state = await steps.WaitAsync(run, cancellation).WaitAsync(TimeSpan.FromSeconds(60), cancellation);
        var seconds = Math.Round(context.Console.Time.GetElapsedTime(started).TotalSeconds, 2);
        var checkedToken = state == "succeeded" ? (JsonObject)JsonNode.Parse(await relyingParty.ReadOutputAsync(cancellation))! : new JsonObject { ["verified"] = false };
        var verified = checkedToken["verified"]!.GetValue<bool>();
        Print(context.Console.Out, json, issuer, run, state, verified, seconds, checkedToken, url, once);
        if (!once && verified) await Task.Delay(Timeout.InfiniteTimeSpan, context.Console.Time, cancellation);
        return verified ? ExitCode.Done : ExitCode.No;
    }

    private static void Print(
        TextWriter output, bool json, string issuer, string run, string state, bool verified, double seconds, JsonObject token, string url, bool once)
    {
        var subject = HttpCall.Text(token["subject"]);
        if (json)
        {
            output.WriteLine(new JsonObject
            {
                ["issuer"] = issuer,
                ["run"] = run,
                ["state"] = state,
                ["subject"] = subject,
                ["audience"] = DemoSteps.Audience,
                ["claims"] = token["claims"]?.DeepClone(),
                ["verified"] = verified,
                ["secondsToFirstRun"] = seconds,
            }.ToJsonString());
            return;
        }

        output.WriteLine(
            $"""

            A run proved who it is, and nobody had a password.

              issuer    {issuer}
              run       {run}  {state}
              subject   {subject}
              audience  {DemoSteps.Audience}
              checked   {(verified ? "yes" : "NO")}, by a separate process that knew only the issuer's URL and the token
              took      {seconds} s from the server's start
            """);
        if (once || !verified) return;
        output.WriteLine(
            $"""

            The server stays up at {url} (Ctrl-C ends it). Try, in this folder:

              ./lanyard logs {run} -w demo -c main
              ./lanyard issuer show demo
              ./lanyard audit
            """);
        output.Flush();
    }
}
