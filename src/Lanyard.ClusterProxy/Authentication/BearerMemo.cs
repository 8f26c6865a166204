using Microsoft.AspNetCore.Connections;

namespace Lanyard.ClusterProxy.Authentication;

/// <summary>
/// The last Authorization line of a connection and what was read from it. Kestrel gives the same string object again while a client repeats itself, and a
/// string never changes: whoever presents the same object has presented the same token. What the token is worth is asked anew for each request.
/// </summary>
internal sealed class BearerMemo
{
    private Line? _last;

    public Line? Last
    {
        get => Volatile.Read(ref _last);
        set => Volatile.Write(ref _last, value);
    }

    public static void Use(IConnectionBuilder listen) => listen.Use(static next => connection =>
    {
        connection.Features.Set(new BearerMemo());
        return next(connection);
    });

    /// <summary>One object, so that streams of one connection that run at once never see half of one and half of another.</summary>
    internal sealed record Line(string Header, BearerToken Bearer);
}
