using Lanyard.ClusterProxy.Forwarding;

namespace Lanyard.ClusterProxy.Audit;

/// <summary>Sends audit events as the API server's webhook backend does: an <c>audit.k8s.io/v1</c> EventList by POST, to the server of a kubeconfig.</summary>
internal sealed class AuditWebhook(OwnCalls calls)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <exception cref="IOException">It was not taken.</exception>
    public async ValueTask SendAsync(IReadOnlyList<byte[]> events, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(Patience);
        var (status, _) = await calls.SendAsync("POST", "", List(events), limit.Token);
        if (status is < 200 or > 299)
        {
            throw new IOException($"the webhook answered {status}");
        }
    }

    private static byte[] List(IReadOnlyList<byte[]> events)
    {
        var list = new MemoryStream();
        list.Write("{\"kind\":\"EventList\",\"apiVersion\":\"audit.k8s.io/v1\",\"metadata\":{},\"items\":["u8);
        for (var i = 0; i < events.Count; i++)
        {
            if (i > 0)
            {
                list.WriteByte((byte)',');
            }

            list.Write(events[i]);
        }

        list.Write("]}"u8);
        return list.ToArray();
    }
}
