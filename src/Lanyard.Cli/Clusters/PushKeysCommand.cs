using System.CommandLine;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;

namespace Lanyard.Cli.Clusters;

/// <summary>
/// <c>lanyard cluster push-keys</c>: announces a private cluster's rotated keys. <c>--token-file</c> is a token of the pusher's service account for the audience
/// <c>URL/keys</c> that a still trusted key signed; a token of the new key is the proof. In the cluster, with <c>--watch</c> and a projected token file, it does
/// both by itself: it keeps the last token that was taken, until the kubelet has put a newer one into the file.
/// </summary>
internal static class PushKeysCommand
{
    public static Command Create(CliContext context)
    {
        var proof = new Option<string?>("--proof-file") { Description = "a token for the same audience and subject, signed by one of the new keys" };
        var jwks = new Option<string?>("--jwks-file") { Description = "the cluster's key set; default: what the API server publishes" };
        var kubeconfig = new Option<string?>("--kubeconfig") { Description = "default: KUBECONFIG, else ~/.kube/config" };
        var kubeContext = new Option<string?>("--context") { Description = "default: the current one" };
        var watch = new Option<bool>("--watch") { Description = "stay, and push whenever the keys change; looks once a minute" };
        var command = new Command("push-keys", "Push a private cluster's rotated keys, under a key that is still trusted.") { proof, jwks, kubeconfig, kubeContext, watch };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            if (arguments.GetValue(context.Options.TokenFile) is not { } tokenFile)
            {
                throw new CommandStopped(ExitCode.Usage, "--token-file FILE: a token for the audience URL/keys is wanted.");
            }

            if (arguments.GetValue(watch) && (arguments.GetValue(proof) is not null || arguments.GetValue(jwks) is not null))
            {
                throw new CommandStopped(ExitCode.Usage, "--watch takes proof and keys by itself: leave --proof-file and --jwks-file out.");
            }

            Task<JsonObject> KeysAsync(CancellationToken cancellation) =>
                ReadKeysAsync(arguments.GetValue(jwks), arguments.GetValue(kubeconfig), arguments.GetValue(kubeContext), context, cancellation);
            if (arguments.GetValue(watch))
            {
                return await new KeyWatch(context, arguments, tokenFile, KeysAsync).RunAsync(cancellationToken);
            }

            using var api = context.Connect(arguments);
            var token = arguments.GetValue(proof) is { } file ? (await File.ReadAllTextAsync(file, cancellationToken)).Trim() : null;
            var answer = await api.PostAsync("/keys", KeyPusher.Body(await KeysAsync(cancellationToken), token), cancellationToken);
            context.Print(arguments, answer, writer => writer.WriteLine(HttpCall.Text(answer["state"])));
            return HttpCall.Text(answer["state"]) == "accepted" ? ExitCode.Done : ExitCode.No;
        });
        return command;
    }

    private static async Task<JsonObject> ReadKeysAsync(string? file, string? kubeconfig, string? contextName, CliContext context, CancellationToken cancellationToken)
    {
        if (file is not null)
        {
            return HttpCall.TryParse(await File.ReadAllTextAsync(file, cancellationToken)) as JsonObject ?? throw new CommandStopped(ExitCode.Usage, $"{file} is no JSON object.");
        }

        using var kube = await KubeAccess.OpenAsync(kubeconfig, contextName, context.Console, cancellationToken);
        return await kube.GetKeysAsync(cancellationToken);
    }
}
