using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Lanyard.ClusterProxy.Hygiene;
using Lanyard.ClusterProxy.Limits;
using Lanyard.ClusterProxy.Serving;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Audit;

[Line("3.8")]
public sealed class AuditWebhookTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-webhook-").FullName;
    private readonly ConcurrentQueue<JsonNode> _lists = new();
    private readonly ConcurrentQueue<RawHead> _heads = new();
    private int _faults;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public async Task A_stop_sends_what_waits_for_its_batch_even_if_the_webhook_fails_at_first(int faults)
    {
        _faults = faults;
        await using var webhook = new RawUpstream(ServeAsync);
        await using (var observation = Create(webhook, batch: 2))
        {
            for (var i = 0; i < 5; i++)
            {
                await TellAsync(observation, $"/api/v1/namespaces/n/pods/{i}");
            }
        }

        Assert.Equal(Enumerable.Range(0, 5).Select(i => $"{i}"), _lists.SelectMany(l => l["items"]!.AsArray()).Select(e => e!["objectRef"]!["name"]!.GetValue<string>()));
        Assert.All(_lists, l => Assert.Equal(("EventList", "audit.k8s.io/v1", true), (l["kind"]!.GetValue<string>(), l["apiVersion"]!.GetValue<string>(), l["items"]!.AsArray().Count <= 2)));
    }

    [Fact]
    public async Task A_webhook_with_the_credential_of_its_kubeconfig_is_called_at_its_path()
    {
        await using var webhook = new RawUpstream(ServeAsync);
        await using (var observation = Create(webhook, batch: 1))
        {
            await TellAsync(observation, "/api/v1/pods");
        }

        Assert.True(_heads.TryDequeue(out var head));
        Assert.Equal(("POST /audit/events HTTP/1.1", "Bearer hook"), (head.StartLine, head.Value("Authorization")));
    }

    /// <summary>A service account's token lives for an hour; whoever goes on with the first one loses every event after it.</summary>
    [Fact]
    public async Task Events_are_sent_with_the_token_that_its_file_has_by_then()
    {
        File.WriteAllText(Path.Combine(_folder, "token"), "first\n");
        await using var webhook = new RawUpstream(ServeAsync);
        await using var observation = Create(webhook, batch: 1, "tokenFile: token");
        var watched = new Dictionary<string, Action<string>>();
        observation.Watch((file, _, changed) => watched.Add(Path.GetFileName(file), changed));

        await TellAsync(observation, "/api/v1/pods");
        await Eventually.HoldsAsync(() => Task.FromResult(_heads.Count == 1), "the first event");
        File.WriteAllText(Path.Combine(_folder, "token"), "second\n");
        watched["token"]("second\n");
        await TellAsync(observation, "/api/v1/pods");
        await Eventually.HoldsAsync(() => Task.FromResult(_heads.Count == 2), "the second event");

        Assert.Equal(["Bearer first", "Bearer second"], _heads.Select(h => h.Value("Authorization")));
        Assert.Equal(["hook", "policy", "token"], watched.Keys.Order(StringComparer.Ordinal));
    }

    private static async Task TellAsync(Observation observation, string target)
    {
        var context = new DefaultHttpContext();
        context.Request.Method = "GET";
        context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget = target;
        var passage = observation.Observer.Begin(context);
        await observation.Observer.EndAsync(context, passage, null);
    }

    private Observation Create(RawUpstream webhook, int batch, string credential = "token: hook")
    {
        File.WriteAllText(Path.Combine(_folder, "policy"), "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n");
        File.WriteAllText(Path.Combine(_folder, "hook"), $"""
            apiVersion: v1
            kind: Config
            current-context: x
            contexts:
            - name: x
              context:
                cluster: c
                user: u
            clusters:
            - name: c
              cluster:
                server: "{webhook.Address.GetLeftPart(UriPartial.Authority)}/audit/events"
            users:
            - name: u
              user:
                {credential}
            """);
        var options = new ObservationOptions(Path.Combine(_folder, "policy"), null, Path.Combine(_folder, "hook"), null) { WebhookBatch = batch, WebhookLinger = TimeSpan.FromHours(1) };
        return new Observation(options, TrustedProxies.None, new Admission(LimitOptions.Default, TimeProvider.System), TimeProvider.System, NullLogger<Observation>.Instance);
    }

    private async Task ServeAsync(RawConnection connection)
    {
        while (await connection.ReadHeadAsync() is { } head)
        {
            var body = await connection.ReadBodyAsync(head);
            if (Interlocked.Decrement(ref _faults) >= 0)
            {
                await connection.WriteAsync("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
                continue;
            }

            _lists.Enqueue(JsonNode.Parse(body)!);
            _heads.Enqueue(head);
            await connection.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    }
}
