using System.Diagnostics;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;

namespace Lanyard.Cli.Clusters;

/// <summary>What an exec plugin gave: a token, or a certificate with its key.</summary>
internal sealed record ExecCredential(string? Token, string? Certificate, string? Key);

/// <summary>Runs a kubeconfig's exec plugin (client.authentication.k8s.io) once, as kubectl would: its errors stay on standard error.</summary>
internal static class ExecPlugin
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static async Task<ExecCredential> RunAsync(JsonObject plugin, KubeContext context, CancellationToken cancellationToken)
    {
        var command = HttpCall.Text(plugin["command"]) ?? throw Kubeconfig.Wrong($"the exec plugin of context {context.Name} has no command");
        var version = HttpCall.Text(plugin["apiVersion"]) ?? "client.authentication.k8s.io/v1";
        var start = new ProcessStartInfo(command.Contains('/', StringComparison.Ordinal) ? context.Resolve(command) : command) { RedirectStandardOutput = true, RedirectStandardInput = true };
        foreach (var argument in (plugin["args"] as JsonArray ?? []).Select(HttpCall.Text).OfType<string>())
        {
            start.ArgumentList.Add(argument);
        }

        foreach (var variable in (plugin["env"] as JsonArray ?? []).OfType<JsonObject>())
        {
            start.Environment[HttpCall.Text(variable["name"]) ?? throw Kubeconfig.Wrong("an exec variable has no name")] = HttpCall.Text(variable["value"]);
        }

        start.Environment["KUBERNETES_EXEC_INFO"] =
            new JsonObject { ["apiVersion"] = version, ["kind"] = "ExecCredential", ["spec"] = new JsonObject { ["interactive"] = false } }.ToJsonString();
        var output = await ReadOutputAsync(start, command, cancellationToken);
        var status = (HttpCall.TryParse(output) as JsonObject)?["status"] as JsonObject ?? throw Kubeconfig.Wrong($"{command} printed no ExecCredential");
        return new ExecCredential(HttpCall.Text(status["token"]), HttpCall.Text(status["clientCertificateData"]), HttpCall.Text(status["clientKeyData"]));
    }

    private static async Task<string> ReadOutputAsync(ProcessStartInfo start, string command, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Limit);
        Process? process = null;
        try
        {
            process = Process.Start(start)!;
            process.StandardInput.Close();
            var output = await process.StandardOutput.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            return process.ExitCode == 0 ? output : throw Kubeconfig.Wrong($"{command} ended with exit code {process.ExitCode}");
        }
        catch (System.ComponentModel.Win32Exception exception)
        {
            throw Kubeconfig.Wrong($"{command} can't be started: {exception.Message}");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            process?.Kill(entireProcessTree: true);
            throw Kubeconfig.Wrong($"{command} took longer than {Limit.TotalSeconds:0} s");
        }
        finally
        {
            process?.Dispose();
        }
    }
}
