using Lanyard.Cli;
using Lanyard.ClusterProxy;
using Lanyard.Credentials;
using Lanyard.Server;

// `lanyard help WORDS` is `lanyard WORDS --help`.
if (args is ["help", .. var about]) args = [.. about, "--help"];

// The first word picks the program; everything that is no server is the CLI's, the runner among it.
return args switch
{
    ["server", .. var rest] => await ServerProgram.RunAsync(rest),
    ["cluster-proxy", .. var rest] => await ClusterProxyProgram.RunAsync(rest),
    ["access-entry", .. var rest] => ClusterProxyProgram.RunAccessEntry(rest, Console.Out, Console.Error),
    ["explain", .. var rest] when ClusterProxyProgram.Explains(rest) => await ClusterProxyProgram.ExplainAsync(rest, Console.In, Console.Out, Console.Error),
    ["token" or "kubeconfig" or "kubectl" or "credential" or "pipe", ..] => await CredentialsProgram.RunAsync(args),
    _ => await CliProgram.RunAsync(args, static () => [ServerProgram.Usage, .. ClusterProxyProgram.Usages, .. CredentialsProgram.Usages]),
};
