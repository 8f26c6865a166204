using Lanyard.Cli;
using Lanyard.ClusterProxy;
using Lanyard.Credentials;
using Lanyard.Server;
using Runner = Lanyard.Cli.Runner;

// The first word picks the program; everything that is no server is the CLI's, the runner among it.
return args switch
{
    ["server", .. var rest] => await ServerProgram.RunAsync(rest),
    ["cluster-proxy", .. var rest] => await ClusterProxyProgram.RunAsync(rest),
    ["runner", "requests" or "approve", ..] => await CliProgram.RunAsync(args),
    ["runner", .. var rest] => await Runner.RunnerCommand.RunAsync(rest, CancellationToken.None),
    ["token", ..] => await CredentialsProgram.RunAsync(args),
    _ => await CliProgram.RunAsync(args),
};
