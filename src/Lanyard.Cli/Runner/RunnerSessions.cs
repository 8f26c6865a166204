using System.Buffers.Text;
using System.Security.Cryptography;
using Lanyard.Cli.Runner.Server;
using Lanyard.Identity;
using Lanyard.Protocol.Runs;
using Microsoft.Extensions.Logging;

namespace Lanyard.Cli.Runner;

/// <summary>Opens the runner's session, and decides whether this host is safe for what the session serves.</summary>
internal sealed class RunnerSessions(RunnerSettings settings, ControlPlane plane, Executor executor, TimeProvider time, ILogger log)
{
    private const int MostLeaseSeconds = 3600;
    private const int MostPollSeconds = 50;

    /// <summary>The session that is open.</summary>
    public SessionResponse Present { get; private set; } = new("", "", "", 60, 30, 256 * 1024, []);

    /// <summary>Repeats until the server answers, with one nonce, so that a lost answer leaves no second session. A refusal is this host's own.</summary>
    public async Task<Refusal?> OpenAsync(CancellationToken cancellationToken)
    {
        var nonce = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(24));
        var version = typeof(RunnerSessions).Assembly.GetName().Version?.ToString(3) ?? "0";
        var request = new SessionRequest(nonce, version, settings.Concurrency, settings.Labels ?? [], [executor.Name], executor.IsSandboxed);
        var backoff = new Backoff(time);
        while (true)
        {
            var answer = await plane.OpenSessionAsync(request, cancellationToken);
            if (answer.Kind is AnswerKind.Ok && answer.Value is { } session)
            {
                return Take(session);
            }

            log.SessionRefused(settings.Server, answer.Detail);
            await backoff.WaitAsync(answer.RetryAfter, cancellationToken);
        }
    }

    private Refusal? Take(SessionResponse session)
    {
        if (session.LeaseSeconds is < 1 or > MostLeaseSeconds || session.PollSeconds is < 0 or > MostPollSeconds)
        {
            return new Refusal(RefusalReason.RequestMalformed, "the server's times are out of range");
        }

        if (!executor.IsSandboxed && session.Collections.Count > 1)
        {
            return new Refusal(
                RefusalReason.Forbidden,
                $"without a sandbox a runner serves one collection only, and this one serves {session.Collections.Count}: install bubblewrap, or connect it to one");
        }

        Present = session;
        plane.Session = session.Session;
        log.SessionOpened(session.Name, session.Runner, settings.Server, string.Join(", ", session.Collections));
        return null;
    }
}
