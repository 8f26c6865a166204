using System.Text.Json;

namespace Lanyard.Identity.Tokens;

/// <summary>
/// The payload of a token that we mint: registered claims first, then others in the order given. A name may be set once, and no
/// registered claim through <see cref="Set(string, string)"/>.
/// </summary>
public sealed class TokenClaims
{
    private static readonly string[] Registered =
    [
        ClaimNames.Issuer, ClaimNames.Subject, ClaimNames.Audience, ClaimNames.ExpiresAt, ClaimNames.NotBefore, ClaimNames.IssuedAt, ClaimNames.TokenId,
    ];

    private readonly List<(string Name, object Value)> _others = [];

    public required string Issuer { get; init; }

    public required string Subject { get; init; }

    /// <summary>One audience is written as a string, several as an array.</summary>
    public required IReadOnlyList<string> Audiences { get; init; }

    /// <summary>Also written as <c>nbf</c>. Whole seconds; a fraction is cut.</summary>
    public required DateTimeOffset IssuedAt { get; init; }

    public required DateTimeOffset ExpiresAt { get; init; }

    public string? TokenId { get; init; }

    /// <summary>The other claims' names, in order.</summary>
    public IEnumerable<string> OtherNames => _others.Select(o => o.Name);

    public TokenClaims Set(string name, string value) => Add(name, value);

    public TokenClaims Set(string name, long value) => Add(name, value);

    public TokenClaims Set(string name, bool value) => Add(name, value);

    public TokenClaims Set(string name, IReadOnlyList<string> values) => Add(name, values);

    public TokenClaims Set(string name, JsonElement value) => Add(name, value.Clone());

    /// <summary>Skips a null: an absent claim is absent, never empty.</summary>
    public TokenClaims SetIfPresent(string name, string? value) => value is null ? this : Add(name, value);

    public void WriteTo(Utf8JsonWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteStartObject();
        writer.WriteString("iss"u8, Issuer);
        writer.WriteString("sub"u8, Subject);
        if (Audiences.Count == 1)
        {
            writer.WriteString("aud"u8, Audiences[0]);
        }
        else
        {
            WriteStrings(writer, ClaimNames.Audience, Audiences);
        }

        writer.WriteNumber("iat"u8, IssuedAt.ToUnixTimeSeconds());
        writer.WriteNumber("nbf"u8, IssuedAt.ToUnixTimeSeconds());
        writer.WriteNumber("exp"u8, ExpiresAt.ToUnixTimeSeconds());
        if (TokenId is not null)
        {
            writer.WriteString("jti"u8, TokenId);
        }

        foreach (var (name, value) in _others)
        {
            Write(writer, name, value);
        }

        writer.WriteEndObject();
    }

    private TokenClaims Add(string name, object value)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (Registered.Contains(name) || _others.Exists(o => o.Name == name))
        {
            throw new ArgumentException($"the claim {name} is set already", nameof(name));
        }

        _others.Add((name, value));
        return this;
    }

    private static void Write(Utf8JsonWriter writer, string name, object value)
    {
        switch (value)
        {
            case string text:
                writer.WriteString(name, text);
                break;
            case long number:
                writer.WriteNumber(name, number);
                break;
            case bool flag:
                writer.WriteBoolean(name, flag);
                break;
            case JsonElement element:
                writer.WritePropertyName(name);
                element.WriteTo(writer);
                break;
            case IReadOnlyList<string> values:
                WriteStrings(writer, name, values);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(value));
        }
    }

    private static void WriteStrings(Utf8JsonWriter writer, string name, IReadOnlyList<string> values)
    {
        writer.WriteStartArray(name);
        foreach (var value in values)
        {
            writer.WriteStringValue(value);
        }

        writer.WriteEndArray();
    }
}
