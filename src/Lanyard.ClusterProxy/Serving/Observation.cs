using Lanyard.ClusterProxy.Audit;
using Lanyard.ClusterProxy.Cluster;
using Lanyard.ClusterProxy.Forwarding;
using Lanyard.ClusterProxy.Hygiene;
using Lanyard.ClusterProxy.Limits;
using Lanyard.ClusterProxy.Telemetry;
using Microsoft.Extensions.Logging;

namespace Lanyard.ClusterProxy.Serving;

/// <summary>Puts together what is told of requests: audit with its backends, access log, metrics. Disposing writes everything that was taken.</summary>
internal sealed class Observation : IAsyncDisposable
{
    private readonly ObservationOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly List<LineQueue> _queues = [];
    private readonly List<IDisposable> _parts = [];
    private readonly AuditTrail? _audit;
    private readonly OpenTelemetryExport? _export;
    private readonly string _policyText = "";
    private KeptConnection? _webhook;

    /// <exception cref="Configuration.ConfigurationException">A file has mistakes.</exception>
    public Observation(ObservationOptions options, TrustedProxies trusted, Admission admission, TimeProvider time, ILogger<Observation> log)
    {
        (_options, _time, _log) = (options, time, log);
        if (options.PolicyFile is { } policyFile)
        {
            _policyText = File.ReadAllText(policyFile);
            var policy = AuditPolicyFile.Parse(_policyText, policyFile);
            var backends = new[] { AuditFile(), AuditWebhook() }.OfType<LineQueue>().ToList();
            _audit = new AuditTrail(policy, backends, trusted, time);
        }

        var access = options.AccessLog is { } file ? new AccessLog(FileQueue("access log", file), time) : null;
        Metrics = new ProxyMetrics(admission, _queues);
        _parts.Add(Metrics);
        Observer = new RequestObserver(Metrics, _audit, access, time);
        _export = OpenTelemetryExport.Start(Environment.GetEnvironmentVariable);
    }

    public ProxyMetrics Metrics { get; }

    public RequestObserver Observer { get; }

    /// <summary>Reads the policy again when it changes, and the files of the webhook's kubeconfig: a token that was renewed is the one to send events with.</summary>
    public void Watch(Action<string, string, Action<string>> watch)
    {
        if (_audit is not null && _options.PolicyFile is { } file)
        {
            watch(file, _policyText, text => _audit.Replace(AuditPolicyFile.Parse(text, file)));
        }

        _webhook?.Watch(watch);
    }

    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(_queues.Select(q => q.DisposeAsync().AsTask()));
        _export?.Dispose();
        _parts.ForEach(p => p.Dispose());
    }

    private LineQueue? AuditFile() => _options.AuditFile is { } file ? FileQueue("audit file", file) : null;

    private LineQueue FileQueue(string name, LineFileOptions options)
    {
        var file = new LineFile(options, _time);
        _parts.Add(file);
        return Queue(new LineQueueOptions(name, MaxBatch: 1000, TimeSpan.Zero, Capacity: 10_000, DropsWhenFull: false), file.WriteAsync);
    }

    private LineQueue? AuditWebhook()
    {
        if (_options.WebhookFile is not { } file)
        {
            return null;
        }

        _webhook = new KeptConnection(() => Kubeconfig.Load(file), _time);
        _parts.Add(_webhook);
        var path = _webhook.First.PathPrefix.Length == 0 ? "/" : _webhook.First.PathPrefix;
        var webhook = new AuditWebhook(new OwnCalls(_webhook.Client, new UpstreamTarget(_webhook.First.Addresses[0].Authority, path, _webhook.Credential)));
        return Queue(new LineQueueOptions("audit webhook", _options.WebhookBatch, _options.WebhookLinger, _options.WebhookBuffer, DropsWhenFull: true), webhook.SendAsync);
    }

    private LineQueue Queue(LineQueueOptions options, WriteBatch write)
    {
        var queue = new LineQueue(options, write, _time, _log);
        _queues.Add(queue);
        return queue;
    }
}
