namespace Lanyard.Protocol.OAuth;

/// <summary>Registered names of OAuth that server, CLI and proxy share, spelled as in their RFCs.</summary>
public static class OAuthNames
{
    public const string GrantTokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange";            // RFC 8693 §2.1
    public const string GrantClientCredentials = "client_credentials";                                     // RFC 6749 §4.4
    public const string ClientAssertionJwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"; // RFC 7523 §2.2
    public const string TokenTypeJwt = "urn:ietf:params:oauth:token-type:jwt";                              // RFC 8693 §3
    public const string TokenTypeAccessToken = "urn:ietf:params:oauth:token-type:access_token";
    public const string TokenTypeIdToken = "urn:ietf:params:oauth:token-type:id_token";

    /// <summary>JOSE <c>typ</c> of our API and runtime tokens (RFC 9068 §2.1): an identity token can never pass for one of them.</summary>
    public const string TypAccessToken = "at+jwt";

    /// <summary>JOSE <c>typ</c> of identity tokens and of assertions.</summary>
    public const string TypJwt = "JWT";
}
