using System.Text.Json;

namespace Lanyard.Protocol.Runs;

/// <summary>
/// <c>POST /v1/runner/requests</c>: a host with no platform identity asks to become a runner. The bearer is a <c>private_key_jwt</c>
/// assertion of the very key in the body: <c>iss</c> = <c>sub</c> = <c>key_</c> + RFC 7638 thumbprint, <c>aud</c> = the instance's
/// issuer, <c>jti</c>, <c>exp</c> at most 60 s away. Repeating it answers the present state; nothing but the state is told.
/// </summary>
/// <param name="PublicKey">The public JWK (EC, P-256).</param>
/// <param name="Name">What the host would like to be called: a slug.</param>
public sealed record RunnerRegistration(JsonElement PublicKey, string Name, string Hostname);

/// <param name="Fingerprint">The RFC 7638 thumbprint: what an admin compares and approves.</param>
/// <param name="State">One of <see cref="RegistrationStates"/>.</param>
public sealed record RunnerRegistrationAnswer(string Fingerprint, string State);

public static class RegistrationStates
{
    public const string Pending = "pending";
    public const string Approved = "approved";
}
