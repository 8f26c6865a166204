using Lanyard.Identity;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Server.Federation;

namespace Lanyard.Server.Exchange;

/// <summary>What an identity token for one audience is made of; whoever owns the subject (a run) answers with it.</summary>
/// <param name="WorkspaceId">Whose issuer signs.</param>
/// <param name="Lifetime">As the definition says; null is the default.</param>
/// <param name="Describe">Writes the claims besides the registered ones.</param>
/// <param name="Template">Name of the subject template, where there are several.</param>
/// <param name="Minted">Told once the token has been made.</param>
internal sealed record IdentityGrant(
    string WorkspaceId, string WorkspaceSlug, string Subject, SignatureAlgorithm Algorithm, TimeSpan? Lifetime, Action<TokenClaims> Describe,
    string? Template = null, Action? Minted = null);

/// <summary>What the exchange asks of rooms that it does not know; handed in where the server is put together.</summary>
/// <param name="RunIdentity">For a living attempt: may it have a token for this audience (by the named subject template, or the default), and made of what.</param>
/// <param name="MachineIdentity">The same for a living machine.</param>
/// <param name="IsMachineAlive">For introspection.</param>
/// <param name="IsAlive">Whether a run's attempt lives, for introspection.</param>
/// <param name="RunnerBySlug">A runner of a workspace, or (null) a shared one; null when there is none.</param>
internal sealed record ExchangeQuestions(
    Func<string, int, string, string?, CancellationToken, ValueTask<Outcome<IdentityGrant>>> RunIdentity,
    Func<string, string, CancellationToken, ValueTask<Outcome<IdentityGrant>>> MachineIdentity,
    Func<string, int, CancellationToken, ValueTask<bool>> IsAlive,
    Func<string, CancellationToken, ValueTask<bool>> IsMachineAlive,
    Func<string?, string, CancellationToken, ValueTask<KnownRunner?>> RunnerBySlug);
