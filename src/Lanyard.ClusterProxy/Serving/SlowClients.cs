using Lanyard.ClusterProxy.Hygiene;
using Lanyard.ClusterProxy.Requests;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace Lanyard.ClusterProxy.Serving;

/// <summary>
/// A client that sends or reads a short request at under 240 bytes a second loses its connection. Streams are spared: a paused terminal is no attack. On
/// HTTP/2 only bodies are timed, because one slow stream must not end the others; a dead peer is found by pings.
/// </summary>
internal static class SlowClients
{
    public static readonly MinDataRate Slowest = new(bytesPerSecond: 240, gracePeriod: TimeSpan.FromSeconds(10));

    public static void Guard(HttpContext context, Passage passage, in RequestShape shape)
    {
        passage.IsLongRunning = shape.Upgrade is not null
            || (RequestInfo.MayBeLong(shape.Target) && passage.InfoOf(context.Request.Method, shape.Target).IsLongRunning);
        if (passage.IsLongRunning)
        {
            if (context.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } incoming)
            {
                incoming.MinDataRate = null;
            }
        }
        else if (context.Request.Protocol == HttpProtocol.Http11 && context.Features.Get<IHttpMinResponseDataRateFeature>() is { } outgoing)
        {
            outgoing.MinDataRate = Slowest;
        }
    }
}
