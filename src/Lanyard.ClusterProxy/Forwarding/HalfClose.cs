using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Lanyard.ClusterProxy.Forwarding;

/// <summary>
/// Kestrel takes a client's FIN for its disconnect. That is right for a watch, which must end upstream at once, and wrong after an
/// upgrade, where one side may have finished speaking and still listen. A connection that upgrades says so here.
/// </summary>
internal sealed class HalfClose
{
    public bool IsAllowed { get; set; }

    public static void Use(ListenOptions listen) => listen.Use(next => async connection =>
    {
        var half = new HalfClose();
        connection.Features.Set(half);
        using var closed = new CancellationTokenSource();
        await using var registration = connection.ConnectionClosed.Register(() =>
        {
            if (!half.IsAllowed)
            {
                closed.Cancel();
            }
        });
        connection.ConnectionClosed = closed.Token;
        await next(connection);
    });
}
