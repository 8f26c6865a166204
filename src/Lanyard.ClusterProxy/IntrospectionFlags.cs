using Lanyard.ClusterProxy.Authentication;

namespace Lanyard.ClusterProxy;

/// <summary>The flags of issuers that are asked whether a token of theirs is still active.</summary>
internal static class IntrospectionFlags
{
    private const string Issuer = "--introspect-issuer";

    public static readonly IReadOnlyList<Flag> Flags =
    [
        new(Issuer, "Issuer of a Lanyard server, https://SERVER/oidc/W: its tokens are taken while it says that they are active (RFC 7662), so that ended runs and revocations are felt within a second.", Repeats: true),
        new("--introspect-token-file", "Token that this server believes, such as a projected service-account token for its URL; read for each call."),
        new("--introspect-ca-file", "Certificate authorities of the server, PEM; default: the system's."),
    ];

    /// <returns>Null for none.</returns>
    public static IntrospectionOptions? Read(CommandLine line)
    {
        var issuers = line.Texts(Issuer);
        if (issuers.Count == 0)
        {
            Flags.Skip(1).Where(f => line.Has(f.Name)).ToList().ForEach(f => line.Mistakes.Add(f.Name, $"only with {Issuer}"));
            return null;
        }

        foreach (var wrong in issuers.Where(static url => !JwtAuthenticatorReader.IsIssuerUrl(url)))
        {
            line.Mistakes.Add(Issuer, $"{wrong} is no https URL without user, query and fragment");
        }

        if (!line.Has("--introspect-token-file"))
        {
            line.Mistakes.Add("--introspect-token-file", $"needed with {Issuer}: the server tells nobody who does not show a token");
        }

        return line.Mistakes.Any ? null : new IntrospectionOptions([.. issuers], line.Text("--introspect-token-file")!, line.Text("--introspect-ca-file"));
    }
}
