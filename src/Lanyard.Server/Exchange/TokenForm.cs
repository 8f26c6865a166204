using System.Buffers;
using Lanyard.Identity;
using Lanyard.Protocol.OAuth;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;

namespace Lanyard.Server.Exchange;

/// <summary>
/// The body of a token, introspection or revocation request, parsed once: afterwards nothing reads the raw form. A parameter that may not
/// repeat and does is refused, one without a value counts as left out (RFC 6749 §3.2); unknown ones are ignored, as the RFC demands.
/// </summary>
internal sealed class TokenForm
{
    /// <summary>Largest body: two tokens of 16 KiB, percent-encoded in the worst case, and the rest.</summary>
    internal const int MaxBytes = 64 * 1024;

    private const int MaxFields = 64;
    private const int MaxAudiences = 16;

    public string? GrantType { get; private set; }

    public string? SubjectToken { get; private set; }

    public string? SubjectTokenType { get; private set; }

    public string? ActorToken { get; private set; }

    public string? ActorTokenType { get; private set; }

    public string? RequestedTokenType { get; private set; }

    public string? Scope { get; private set; }

    public string? ClientId { get; private set; }

    public string? ClientSecret { get; private set; }

    public string? ClientAssertion { get; private set; }

    public string? ClientAssertionType { get; private set; }

    /// <summary>The token to introspect or revoke.</summary>
    public string? Token { get; private set; }

    /// <summary>Seconds that the issued token should live; ours, bounded by the definition or policy.</summary>
    public string? ExpiresIn { get; private set; }

    /// <summary>Name of the subject template, where a definition has several for the audience; ours.</summary>
    public string? Subject { get; private set; }

    /// <summary>Slug of the runner whose token is wanted; ours.</summary>
    public string? Runner { get; private set; }

    /// <summary>May repeat (RFC 8693 §2.1).</summary>
    public IReadOnlyList<string> Audiences => _audiences;

    private readonly List<string> _audiences = [];

    public static async ValueTask<Outcome<TokenForm>> ReadAsync(HttpRequest request)
    {
        var type = request.ContentType;
        if (type is null || !type.StartsWith("application/x-www-form-urlencoded", StringComparison.OrdinalIgnoreCase))
            return new Refusal(RefusalReason.RequestMalformed, "the body is not application/x-www-form-urlencoded");
        if (request.ContentLength > MaxBytes) return TooLarge();

        // One byte more than is said to come, or may come: whether there is more shows at once.
        var most = (int)(request.ContentLength ?? MaxBytes) + 1;
        var buffer = ArrayPool<byte>.Shared.Rent(most);
        var length = 0;
        try
        {
            length = await request.Body.ReadAtLeastAsync(buffer.AsMemory(0, most), most, throwOnEndOfStream: false, request.HttpContext.RequestAborted);
            return length > MaxBytes ? TooLarge() : Parse(buffer.AsSpan(0, length));
        }
        finally
        {
            // The body holds tokens: nothing of it may lie about in a shared pool. Where the reading failed it is not known how much came.
            buffer.AsSpan(0, length == 0 ? most : length).Clear();
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static Outcome<TokenForm> Parse(ReadOnlySpan<byte> body)
    {
        var text = ArrayPool<char>.Shared.Rent(System.Text.Encoding.UTF8.GetMaxCharCount(body.Length));
        var length = System.Text.Encoding.UTF8.GetChars(body, text);
        try
        {
            return Parse(text.AsMemory(0, length));
        }
        finally
        {
            text.AsSpan(0, length).Clear();
            ArrayPool<char>.Shared.Return(text);
        }
    }

    private static Outcome<TokenForm> Parse(ReadOnlyMemory<char> body)
    {
        var form = new TokenForm();
        var fields = 0;
        foreach (var pair in new QueryStringEnumerable(body))
        {
            if (++fields > MaxFields) return new Refusal(RefusalReason.RequestMalformed, $"more than {MaxFields} parameters");
            var value = pair.DecodeValue();
            if (value.Length == 0) continue;
            var name = pair.DecodeName().ToString();
            if (form.Set(name, value.ToString()) is { } refusal) return refusal;
        }

        return form;
    }

    private Refusal? Set(string name, string value)
    {
        string? before;
        switch (name)
        {
            case "grant_type": (before, GrantType) = (GrantType, value); break;
            case "subject_token": (before, SubjectToken) = (SubjectToken, value); break;
            case "subject_token_type": (before, SubjectTokenType) = (SubjectTokenType, value); break;
            case "actor_token": (before, ActorToken) = (ActorToken, value); break;
            case "actor_token_type": (before, ActorTokenType) = (ActorTokenType, value); break;
            case "requested_token_type": (before, RequestedTokenType) = (RequestedTokenType, value); break;
            case "scope": (before, Scope) = (Scope, value); break;
            case "client_id": (before, ClientId) = (ClientId, value); break;
            case "client_secret": (before, ClientSecret) = (ClientSecret, value); break;
            case "client_assertion": (before, ClientAssertion) = (ClientAssertion, value); break;
            case "client_assertion_type": (before, ClientAssertionType) = (ClientAssertionType, value); break;
            case "token": (before, Token) = (Token, value); break;
            case "expires_in": (before, ExpiresIn) = (ExpiresIn, value); break;
            case "subject": (before, Subject) = (Subject, value); break;
            case "runner": (before, Runner) = (Runner, value); break;
            case "audience" or "resource": return Add(name, value);
            default: return null;
        }

        return before is null ? null : new Refusal(RefusalReason.RequestMalformed, $"{name} stands there twice");
    }

    private Refusal? Add(string name, string value)
    {
        if (_audiences.Count == MaxAudiences) return new Refusal(RefusalReason.RequestMalformed, $"more than {MaxAudiences} of {name}");
        // RFC 8693 §2.1: an absolute URI without a fragment; audience may be any text.
        if (name == "resource" && (!Uri.TryCreate(value, UriKind.Absolute, out var resource) || resource.Fragment.Length > 0))
            return new Refusal(RefusalReason.AudienceNotAllowed, "resource: an absolute URI without a fragment");
        _audiences.Add(value);
        return null;
    }

    private static Refusal TooLarge() => new(RefusalReason.RequestTooLarge, $"the body has more than {MaxBytes} bytes");

    /// <summary>The grants that a token endpoint offers, for metadata.</summary>
    internal static IReadOnlyList<string> Grants { get; } = [OAuthNames.GrantTokenExchange, OAuthNames.GrantClientCredentials];
}
