using System.Globalization;
using Lanyard.ClusterProxy.Audit;

namespace Lanyard.ClusterProxy;

/// <summary>Where audit events and the access log go; null for nowhere.</summary>
internal sealed record ObservationOptions(string? PolicyFile, LineFileOptions? AuditFile, string? WebhookFile, LineFileOptions? AccessLog)
{
    public int WebhookBatch { get; init; } = 400;

    public TimeSpan WebhookLinger { get; init; } = TimeSpan.FromSeconds(30);

    public int WebhookBuffer { get; init; } = 10_000;
}

/// <summary>The API server's own <c>--audit-…</c> flags, as far as a proxy has use for them, and the access log's.</summary>
internal static class ObservationFlags
{
    private const string Policy = "--audit-policy-file";
    private const string Log = "--audit-log-path";
    private const string Webhook = "--audit-webhook-config-file";

    public static readonly IReadOnlyList<Flag> Flags =
    [
        new(Policy, "audit.k8s.io/v1 Policy: which requests are recorded. Read again when it changes."),
        new(Log, "File of audit events, one JSON object a line; - is standard output."),
        new("--audit-log-maxsize", "Megabytes after which the audit file is put aside (default 0, never)."),
        new("--audit-log-maxbackup", "Files put aside that are kept (default 0, all)."),
        new("--audit-log-maxage", "Days that files put aside are kept (default 0, for ever)."),
        new(Webhook, "Kubeconfig of the server that audit events are sent to."),
        new("--audit-webhook-batch-max-size", "Events in one call (default 400)."),
        new("--audit-webhook-batch-max-wait", "How long events wait for others, such as 30s or 500ms (default 30s)."),
        new("--audit-webhook-batch-buffer-size", "Events that wait for a webhook that does not answer (default 10000); further ones are lost, counted and told."),
        new("--access-log-path", "File of the access log, one JSON object a request; - is standard output."),
    ];

    public static ObservationOptions Read(CommandLine line)
    {
        var wants = line.Has(Log) || line.Has(Webhook);
        if (wants != line.Has(Policy))
        {
            line.Mistakes.Add(Policy, $"belongs together with {Log} or {Webhook}");
        }

        var file = line.Text(Log) is { } path ? new LineFileOptions(
            path,
            LimitFlags.Number(line, "--audit-log-maxsize", 0, 1_000_000) * 1024 * 1024,
            (int)LimitFlags.Number(line, "--audit-log-maxbackup", 0, 1_000_000),
            TimeSpan.FromDays(LimitFlags.Number(line, "--audit-log-maxage", 0, 100_000))) : null;
        var access = line.Text("--access-log-path") is { } log ? new LineFileOptions(log, 0, 0, TimeSpan.Zero) : null;
        var batch = (int)LimitFlags.Number(line, "--audit-webhook-batch-max-size", 400, 10_000);
        return new ObservationOptions(line.Text(Policy), file, line.Text(Webhook), access)
        {
            WebhookBatch = Math.Max(1, batch),
            WebhookLinger = Duration(line, "--audit-webhook-batch-max-wait", TimeSpan.FromSeconds(30)),
            WebhookBuffer = Math.Max(1, (int)LimitFlags.Number(line, "--audit-webhook-batch-buffer-size", 10_000, 10_000_000)),
        };
    }

    private static TimeSpan Duration(CommandLine line, string name, TimeSpan standard)
    {
        if (line.Text(name) is not { } text)
        {
            return standard;
        }

        var (unit, milliseconds) = text.EndsWith("ms", StringComparison.Ordinal) ? ("ms", 1) : text.EndsWith('s') ? ("s", 1000) : ("m", 60_000);
        if (text.EndsWith(unit, StringComparison.Ordinal) && int.TryParse(text[..^unit.Length], NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number is > 0 and <= 1_000_000)
        {
            return TimeSpan.FromMilliseconds((double)number * milliseconds);
        }

        line.Mistakes.Add(name, "must be a duration such as 30s or 500ms");
        return standard;
    }
}
