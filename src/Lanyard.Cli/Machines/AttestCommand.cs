using System.CommandLine;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;
using Lanyard.Cli.Resources;
using Lanyard.Cli.Runner.Server;

namespace Lanyard.Cli.Machines;

/// <summary><c>lanyard machine attest</c>: on the host itself, which shows what its platform knows it by and gets the token of its machine. Nothing secret is copied to it.</summary>
internal static class AttestCommand
{
    private const string Path = "/runtime/machines";

    public static Command Create(CliContext context)
    {
        var identity = new Option<string>("--identity") { Description = "slug of the MachineIdentity that says who this host is and what it may", Required = true };
        var key = new Option<string?>("--key-file") { Description = "key of the runner on this host; else --token-file: its service account's token for the audience of the server" };
        var env = new Option<bool>("--env") { Description = "print the environment of the cache's clients as NAME=value; the token is in it" };
        var scope = new ScopeOptions();
        var command = new Command("attest", "On a host with an identity of its own: prove it, and print the token of its machine.") { identity, key, env };
        scope.AddTo(command, withCollection: false);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var body = new JsonObject
            {
                ["workspace"] = scope.GetWorkspace(arguments, context.Console), ["identity"] = ScopeOptions.Checked("machine identity", arguments.GetValue(identity)),
            };
            using var api = ServerConnection.OpenAs(arguments, context.Options, context.Console, server => BearerOf(context, arguments, arguments.GetValue(key), server));
            MachineCommand.Print(context, arguments, api.Server, await api.PostAsync(Path, body, cancellationToken), arguments.GetValue(env));
            return ExitCode.Done;
        });
        return command;
    }

    private static BearerSource BearerOf(CliContext context, ParseResult arguments, string? keyFile, string server)
    {
        var tokenFile = arguments.GetValue(context.Options.TokenFile);
        if ((keyFile is null) == (tokenFile is null)) throw new CommandStopped(ExitCode.Usage, "how does this host prove itself? Give --token-file FILE or --key-file FILE, one of them.");
        if (tokenFile is not null) return new TokenFileBearer(tokenFile);
        if (!File.Exists(keyFile)) throw new CommandStopped(ExitCode.Usage, $"--key-file {Printing.Plain(keyFile!)}: there is no such file.");
        return HostKey.Open(keyFile!, context.Console.Time).TryGet(out var key, out var refusal)
            ? new HostKeyBearer(key, server)
            : throw new CommandStopped(ExitCode.Usage, refusal.Detail);
    }

    /// <summary>An assertion (RFC 7523) is good once: each request has its own.</summary>
    private sealed class HostKeyBearer(HostKey key, string audience) : BearerSource(key)
    {
        public override ValueTask<string> GetAsync(CancellationToken cancellationToken) => ValueTask.FromResult(key.Assert(audience));
    }
}
