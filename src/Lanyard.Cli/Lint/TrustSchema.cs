using System.Text.Json.Nodes;
using Lanyard.Identity.Presets;

namespace Lanyard.Cli.Lint;

/// <summary>
/// JSON Schema (2020-12) of trusted issuers and trust policies for editors, made of the presets: an editor shows what each claim means, and marks names that change
/// hands. The server and <c>lanyard lint</c> judge; a schema can't see as much.
/// </summary>
internal static class TrustSchema
{
    public static JsonObject Create() => new()
    {
        ["$schema"] = "https://json-schema.org/draft/2020-12/schema",
        ["title"] = "Lanyard: trusted issuers and trust policies",
        ["type"] = "object",
        ["required"] = Words("kind", "metadata", "spec"),
        ["properties"] = new JsonObject
        {
            ["kind"] = new JsonObject { ["type"] = "string" },
            ["metadata"] = Closed(
                ("workspace", Slug()), ("collection", Slug()), ("slug", Slug())).With("required", Words("slug")),
            ["spec"] = new JsonObject { ["type"] = "object" },
        },
        ["additionalProperties"] = false,
        ["allOf"] = new JsonArray(When("TrustPolicy", Policy()), When("TrustedIssuer", Issuer())),
    };

    private static JsonObject When(string kind, JsonObject spec) => new()
    {
        ["if"] = Has("kind", kind),
        ["then"] = new JsonObject { ["properties"] = new JsonObject { ["spec"] = spec } },
    };

    private static JsonObject Policy() => Closed(
            ("issuer", Text("slug of a trusted issuer, or cluster/SLUG of a registered cluster")),
            ("preset", Text("the kind of issuer: lanyard preset list").With("enum", Words([.. IssuerPresets.All.Select(static preset => preset.Name)]))),
            ("identity", new JsonObject { ["type"] = "object", ["minProperties"] = 1, ["description"] = "conditions by the words that mean the same for every issuer" }),
            ("claims", new JsonObject { ["type"] = "object", ["minProperties"] = 1, ["properties"] = Claims(), ["additionalProperties"] = Condition("") }),
            ("condition", Text("in CEL over claims, such as claims.ref == 'refs/heads/main'")),
            ("audiences", List("narrows what the issuer's record demands")),
            ("principal", Text("its name here, with {claim}").With("maxLength", 255)),
            ("context", Closed(("repository", Text("claim")), ("ref", Text("claim")), ("environment", Text("claim")))),
            ("mode", Text("audit: it is judged and written down, and gives nothing").With("enum", Words("enforce", "audit"))),
            ("once", Flag().With("description", "a subject token is exchanged once, and is no bearer by itself")),
            ("dpop", Flag().With("description", "tokens are bound to a key of the caller's (RFC 9449)")),
            ("perMinute", new JsonObject { ["type"] = "integer", ["minimum"] = 1, ["description"] = "exchanges of one principal" }),
            ("allow", Closed(
                ("roles", List("in the place where the policy stands", "viewer", "operator", "admin")),
                ("audiences", List("for whom it may have identity tokens")),
                ("introspect", List("on whose behalf it may introspect tokens")),
                ("github", Closed(
                    ("app", Text("one of the server's Apps")), ("repositories", List("owner/name")),
                    ("permissions", new JsonObject { ["type"] = "object", ["minProperties"] = 1, ["additionalProperties"] = new JsonObject { ["enum"] = Words("read", "write", "admin") } }))
                    .With("required", Words("repositories", "permissions"))),
                ("runner", Text("slug of the runner as which a host may log in; the runner names the policy too")),
                ("together", Flag().With("description", "one token may be for several of the audiences")),
                ("actors", List("principals that may act for this one"))).With("minProperties", 1)))
        .With("required", Words("issuer", "allow"))
        .With("anyOf", new JsonArray(Needs("claims"), Needs("condition"), Needs("identity")))
        .With("dependentRequired", new JsonObject { ["identity"] = Words("preset") })
        .With("allOf", new JsonArray([.. IssuerPresets.All.Select(Facts)]));

    /// <summary>With a preset: its facts, and the tenant where it has many owners.</summary>
    private static JsonObject Facts(IssuerPreset preset)
    {
        var identity = Closed([.. preset.Facts.Select(fact => (fact.Key, Condition($"{fact.Value}: {preset.Claims[fact.Value].Means}")))]);
        var then = new JsonObject { ["properties"] = new JsonObject { ["identity"] = identity } };
        if (preset.Tenant != IssuerPreset.TenantInIssuer)
        {
            identity["properties"]![IssuerPresets.TenantFact] = Exact($"{preset.Tenant}: {preset.Claims[preset.Tenant].Means}");
            then["anyOf"] = new JsonArray(
                new JsonObject { ["properties"] = new JsonObject { ["identity"] = Needs(IssuerPresets.TenantFact) }, ["required"] = Words("identity") },
                new JsonObject { ["properties"] = new JsonObject { ["claims"] = Needs(preset.Tenant) }, ["required"] = Words("claims") });
        }

        return new JsonObject { ["if"] = Has("preset", preset.Name), ["then"] = then };
    }

    private static JsonObject Claims()
    {
        var claims = new JsonObject();
        foreach (var (preset, claim) in IssuerPresets.All.SelectMany(static preset => preset.Claims.Values.Select(claim => (preset, claim))))
        {
            var text = $"{preset.Title}: {claim.Means}{(claim.IsReusable ? $" (another owner can come to have it: ask for {claim.Lasting})" : "")}";
            if (claims[claim.Name] is JsonObject known) known["description"] = $"{known["description"]}\n{text}";
            else claims[claim.Name] = Condition(text);
        }

        return claims;
    }

    private static JsonObject Issuer() => Closed(
            ("issuer", Text("exactly as in iss")),
            ("keys", Closed(
                ("discovery", Closed(("url", Text("")), ("jwksHosts", List("")))), ("jwks", new JsonObject { ["type"] = "object" }),
                ("pushed", Closed(("jwks", new JsonObject { ["type"] = "object" }), ("subject", Text("")), ("requireApproval", Flag()), ("review", Flag()))),
                ("spiffe", Closed(("trustDomain", Text("such as example.org")), ("url", Text("its bundle endpoint")), ("bundle", new JsonObject { ["type"] = "object" }))
                    .With("required", Words("trustDomain")))).With("minProperties", 1).With("maxProperties", 1)),
            ("audiences", List("any of them must be in aud; absent: the instance URL")),
            ("algorithms", List("absent: all", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")),
            ("maxLifetimeSeconds", new JsonObject { ["type"] = "integer", ["minimum"] = 60, ["maximum"] = 2592000 }),
            ("requireIat", Flag()),
            ("requiredClaims", new JsonObject { ["type"] = "object", ["additionalProperties"] = Condition("") }),
            ("condition", Text("in CEL over claims")),
            ("allowPrivateAddresses", Flag()),
            ("caBundle", Text("PEM")))
        .With("required", Words("issuer", "keys"));

    private static JsonObject Condition(string description) => new JsonObject
    {
        ["anyOf"] = new JsonArray(
            Value(), Many(Value()), Closed(("glob", OneOrMany(Text("* stands within one segment: it never crosses : or /")))).With("required", Words("glob")),
            Closed(("contains", OneOrMany(Value()))).With("required", Words("contains"))),
    }.Described(description);

    private static JsonObject Exact(string description) => new JsonObject { ["anyOf"] = new JsonArray(Value(), Many(Value())) }.Described(description);

    private static JsonObject Value() => new() { ["type"] = Words("string", "integer", "boolean"), ["pattern"] = "^[^*]+$" };

    private static JsonObject Many(JsonObject item) => new() { ["type"] = "array", ["items"] = item, ["minItems"] = 1 };

    private static JsonObject OneOrMany(JsonObject item) => new() { ["anyOf"] = new JsonArray(item, Many((JsonObject)item.DeepClone())) };

    private static JsonObject Text(string description) => new JsonObject { ["type"] = "string", ["minLength"] = 1 }.Described(description);

    private static JsonObject Flag() => new() { ["type"] = "boolean" };

    private static JsonObject Slug() => new() { ["type"] = "string", ["pattern"] = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$" };

    private static JsonObject List(string description, params string[] values)
    {
        var item = new JsonObject { ["type"] = "string", ["minLength"] = 1 };
        if (values.Length > 0) item["enum"] = Words(values);
        return Many(item).Described(description);
    }

    private static JsonObject Closed(params (string Name, JsonObject Shape)[] members) => new()
    {
        ["type"] = "object",
        ["properties"] = new JsonObject(members.Select(static member => new KeyValuePair<string, JsonNode?>(member.Name, member.Shape))),
        ["additionalProperties"] = false,
    };

    private static JsonObject Has(string member, string value) =>
        new() { ["properties"] = new JsonObject { [member] = new JsonObject { ["const"] = value } }, ["required"] = Words(member) };

    private static JsonObject Needs(string member) => new() { ["required"] = Words(member) };

    private static JsonArray Words(params string[] words) => new([.. words.Select(static word => JsonValue.Create(word))]);

    private static JsonObject With(this JsonObject schema, string name, JsonNode value)
    {
        schema[name] = value;
        return schema;
    }

    private static JsonObject Described(this JsonObject schema, string description) => description.Length == 0 ? schema : schema.With("description", description);
}
