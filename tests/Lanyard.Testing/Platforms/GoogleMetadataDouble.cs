using System.Text.Json.Nodes;
using Lanyard.Identity.Jose;
using Lanyard.Testing.Clouds;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Testing.Platforms;

/// <summary>Google's metadata server, as far as identity tokens go: the flavor header both ways, no forwarded request, an audience, <c>format=full</c>.</summary>
public sealed class GoogleMetadataDouble : CloudDouble
{
    public const string Subject = "108276734516278340912";
    public const string Email = "build-host@acme-prod.iam.gserviceaccount.com";

    private readonly TestIssuer _issuer;

    private GoogleMetadataDouble(TestIssuer issuer)
        : base(tls: false) => _issuer = issuer;

    /// <summary>Somebody else answers at this address.</summary>
    public bool IsAnother { get; set; }

    public static Task<GoogleMetadataDouble> StartAsync(TestIssuer issuer)
    {
        issuer.Rotate(SignatureAlgorithm.RS256);
        return StartedAsync(new GoogleMetadataDouble(issuer));
    }

    protected override Task AnswerAsync(HttpContext context)
    {
        var request = context.Request;
        if (!IsAnother)
        {
            (context.Response.Headers["Metadata-Flavor"], context.Response.Headers.Server) = ("Google", "Metadata Server for VM");
        }

        if (request.Headers["Metadata-Flavor"] != "Google" || request.Headers.ContainsKey("X-Forwarded-For"))
        {
            Refused.Enqueue("flavor");
            return WriteAsync(context, 403, "text/html", "<p>Your client does not have permission to get URL from this server. Missing Metadata-Flavor:Google header.</p>");
        }

        if (request.Method != "GET" || request.Path != "/computeMetadata/v1/instance/service-accounts/default/identity")
        {
            return WriteAsync(context, 404, "text/html", "not found");
        }

        if (request.Query["audience"].ToString() is not { Length: > 0 } audience)
        {
            Refused.Enqueue("audience");
            return WriteAsync(context, 400, "text/html", "non-empty audience parameter required");
        }

        Admitted.Enqueue(Subject);
        return WriteAsync(context, 200, "text/html", _issuer.Mint(audience, Subject, claims =>
        {
            (claims["azp"], claims["email"], claims["email_verified"]) = (Subject, Email, true);
            if (request.Query["format"] == "full")
            {
                claims["google"] = new JsonObject { ["compute_engine"] = new JsonObject { ["project_id"] = "acme-prod", ["zone"] = "europe-west3-a", ["instance_id"] = "4567890123456789012", ["instance_name"] = "build-7" } };
            }
        }));
    }
}
