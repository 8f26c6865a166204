using System.Text.Json.Serialization;

namespace Lanyard.Protocol.OAuth;

/// <summary>Metadata of an issuer (OpenID Connect Discovery 1.0 §3, RFC 8414 §2). One record serves both, at the path of each.</summary>
public sealed record ProviderMetadata(
    string Issuer,
    string JwksUri,
    string TokenEndpoint,
    string IntrospectionEndpoint,
    string RevocationEndpoint,
    IReadOnlyList<string> ResponseTypesSupported,
    IReadOnlyList<string> SubjectTypesSupported,
    IReadOnlyList<string> IdTokenSigningAlgValuesSupported,
    IReadOnlyList<string> GrantTypesSupported,
    IReadOnlyList<string> TokenEndpointAuthMethodsSupported,
    IReadOnlyList<string> TokenEndpointAuthSigningAlgValuesSupported,
    IReadOnlyList<string> ClaimsSupported,
    IReadOnlyList<string> ScopesSupported,
    IReadOnlyList<string>? DpopSigningAlgValuesSupported = null);

/// <summary>RFC 6749 §5.1 with <c>issued_token_type</c> of RFC 8693 §2.2.1. <c>token_type</c> is <c>N_A</c> where the token is no access token.</summary>
public sealed record TokenResponse(string AccessToken, string? IssuedTokenType, string TokenType, long ExpiresIn, string? Scope = null);

/// <summary>RFC 6749 §5.2.</summary>
public sealed record OAuthErrorResponse(string Error, string ErrorDescription);

/// <summary>RFC 7662 §2.2. Nothing but <c>active: false</c> is said of a token that is not active or not the caller's business.</summary>
public sealed record IntrospectionResponse(
    bool Active,
    string? Iss = null,
    string? Sub = null,
    [property: JsonConverter(typeof(AudienceConverter))] IReadOnlyList<string>? Aud = null,
    long? Iat = null,
    long? Nbf = null,
    long? Exp = null,
    string? Jti = null,
    string? TokenType = null,
    string? ClientId = null,
    Confirmation? Cnf = null,
    Actor? Act = null);

/// <summary>RFC 9449 §6.1: thumbprint of the key that a token is bound to.</summary>
public sealed record Confirmation(string Jkt);

/// <summary>RFC 8693 §4.1: who acts, and for whom it acted before.</summary>
public sealed record Actor(string Sub, Actor? Act = null);

/// <summary>The OAuth dialect: snake_case, nulls left out.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ProviderMetadata))]
[JsonSerializable(typeof(TokenResponse))]
[JsonSerializable(typeof(OAuthErrorResponse))]
[JsonSerializable(typeof(IntrospectionResponse))]
[JsonSerializable(typeof(Confirmation))]
[JsonSerializable(typeof(Actor))]
public sealed partial class OAuthJson : JsonSerializerContext;
