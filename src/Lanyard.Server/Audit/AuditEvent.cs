using Lanyard.Identity;
using Lanyard.Server.Http;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Audit;

/// <summary>What a feature says of a decision or a change. Id, time and place in the chain are the log's.</summary>
/// <param name="Action">Noun and verb, such as <c>workspace.put</c>; the features' own constants.</param>
internal sealed record AuditEvent(string Action)
{
    public Principal? Principal { get; init; }

    /// <summary>Null: it was allowed.</summary>
    public Refusal? Refusal { get; init; }

    public string? RequestId { get; init; }

    public string? WorkspaceId { get; init; }

    public string? CollectionId { get; init; }

    /// <summary>Id or path of what it was about.</summary>
    public string? Target { get; init; }

    /// <summary>Lower-case hex; where absent, that of the principal's token. Never the token.</summary>
    public string? TokenSha256 { get; init; }

    /// <summary>The verified claims as a JSON object; configured ones are redacted before they are stored.</summary>
    public string? ClaimsJson { get; init; }

    /// <summary>The steps of the chain that judged the token.</summary>
    public IReadOnlyList<string>? Trace { get; init; }

    /// <summary>Anything further, short and not secret.</summary>
    public IReadOnlyDictionary<string, string>? Details { get; init; }

    /// <summary>An event about a request, with its id and its caller.</summary>
    public static AuditEvent Of(HttpContext context, string action) =>
        new(action) { Principal = Access.PrincipalOf(context), RequestId = context.TraceIdentifier };
}
