using Lanyard.Identity;

namespace Lanyard.Server.Http;

/// <summary>For answers that go on for minutes (<see cref="GoesOn"/>): whether who asked would be admitted now. After a yes the request's principal is the one of now.</summary>
/// <param name="RefuseAsync">Null where they would.</param>
internal sealed record Standing(Func<CancellationToken, ValueTask<Refusal?>> RefuseAsync);

/// <summary>Marks a route whose answer goes on for minutes: it is given the caller's <see cref="Standing"/>.</summary>
internal sealed class GoesOn
{
    public static GoesOn Instance { get; } = new();
}
