using System.ComponentModel;
using System.Diagnostics;
using Lanyard.Identity;

namespace Lanyard.Cli.Runner.Platform;

/// <summary>A token that a command of the host's admin prints. It learns the audience from <c>LANYARD_AUDIENCE</c>, and has 30 seconds.</summary>
internal sealed class ExecSource(string command, string audience, TimeProvider time) : TokenSource
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    public override async Task<Outcome<string>> FetchAsync(CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(Limit, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        var start = new ProcessStartInfo("/bin/sh") { ArgumentList = { "-c", command }, RedirectStandardOutput = true, RedirectStandardInput = true };
        start.Environment["LANYARD_AUDIENCE"] = audience;
        try
        {
            using var process = Process.Start(start)!;
            process.StandardInput.Close();
            try
            {
                var buffer = new char[MaxTokenBytes + 16];
                var length = await process.StandardOutput.ReadBlockAsync(buffer, both.Token);
                process.StandardOutput.Close(); // whoever prints on hears of it
                await process.WaitForExitAsync(both.Token);
                return process.ExitCode == 0
                    ? Checked(new string(buffer, 0, length), "the command")
                    : new Refusal(RefusalReason.TokenMissing, $"the command that gives the token ended with {process.ExitCode}");
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
                cancellationToken.ThrowIfCancellationRequested();
                return new Refusal(RefusalReason.TokenMissing, $"the command that gives the token took more than {Limit.TotalSeconds:0} s");
            }
        }
        catch (Win32Exception exception)
        {
            return new Refusal(RefusalReason.TokenMissing, $"the command that gives the token can't be started: {exception.Message}");
        }
    }
}
