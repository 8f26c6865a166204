using System.Text.Json.Nodes;
using Lanyard.Identity.Jose;
using Lanyard.Testing.Clouds;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Testing.Platforms;

/// <summary>Azure's instance metadata service, as far as managed identities go: the header, the version, a resource, numbers as strings.</summary>
public sealed class AzureImdsDouble : CloudDouble
{
    public const string ObjectId = "5f3c1f6e-5a3e-4c49-9f2e-7b1d0a2c9e11";
    public const string MachineId = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourcegroups/ci/providers/Microsoft.Compute/virtualMachines/build-7";

    private readonly TestIssuer _issuer;

    private AzureImdsDouble(TestIssuer issuer)
        : base(tls: false) => _issuer = issuer;

    public static Task<AzureImdsDouble> StartAsync(TestIssuer issuer)
    {
        issuer.Rotate(SignatureAlgorithm.RS256);
        return StartedAsync(new AzureImdsDouble(issuer));
    }

    protected override Task AnswerAsync(HttpContext context)
    {
        var request = context.Request;
        if (request.Headers["Metadata"] != "true" || request.Headers.ContainsKey("X-Forwarded-For"))
        {
            return RefuseAsync(context, "Required metadata header not specified");
        }

        if (request.Method != "GET" || request.Path != "/metadata/identity/oauth2/token" || request.Query["api-version"] != "2018-02-01")
        {
            return RefuseAsync(context, "Required query variable 'api-version' is missing");
        }

        if (request.Query["resource"].ToString() is not { Length: > 0 } resource)
        {
            return RefuseAsync(context, "Required query variable 'resource' is missing");
        }

        var token = _issuer.Mint(resource, ObjectId, static claims => (claims["oid"], claims["tid"], claims["xms_mirid"], claims["idtyp"]) = (ObjectId, "72f988bf-86f1-41af-91ab-2d7cd011db47", MachineId, "app"));
        Admitted.Enqueue(ObjectId);
        return WriteAsync(context, 200, "application/json; charset=utf-8", new JsonObject
        {
            ["access_token"] = token,
            ["client_id"] = request.Query["client_id"].ToString() is { Length: > 0 } client ? client : "af5bb8a1-6a3f-4b0e-8f3a-2a6a1b1c9d22",
            ["expires_in"] = "86399",
            ["expires_on"] = "1795900000",
            ["ext_expires_in"] = "86399",
            ["not_before"] = "1795813000",
            ["resource"] = resource,
            ["token_type"] = "Bearer",
        }.ToJsonString());
    }

    private Task RefuseAsync(HttpContext context, string text)
    {
        Refused.Enqueue(text);
        return WriteAsync(context, 400, "application/json; charset=utf-8", new JsonObject { ["error"] = "invalid_request", ["error_description"] = text }.ToJsonString());
    }
}
