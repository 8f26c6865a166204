using System.Text.Json.Nodes;

namespace Lanyard.Testing;

/// <summary>
/// A recorded payload of one kind of issuer (<c>Presets/NAME.json</c>): what a rule asks of it in the one vocabulary, and how the token of a look-alike differs, an owner
/// who has the same names.
/// </summary>
/// <param name="IsKeyForeign">The look-alike has the same claims, signed by keys of its own.</param>
public sealed record PresetSample(string Name, JsonObject Identity, JsonObject Claims, JsonObject LookAlike, bool IsKeyForeign)
{
    public string Issuer => Claims["iss"]!.GetValue<string>();

    public static PresetSample Read(string name)
    {
        var file = JsonNode.Parse(File.ReadAllText(Repo.At("tests", "Lanyard.Testing", "Presets", name + ".json")))!.AsObject();
        return new PresetSample(name, file["identity"]!.AsObject(), file["claims"]!.AsObject(), file["lookAlike"]!.AsObject(), file["lookAlikeKey"]?.GetValue<bool>() ?? false);
    }

    /// <summary>The look-alike's claims.</summary>
    public JsonObject Foreign()
    {
        var claims = (JsonObject)Claims.DeepClone();
        foreach (var (name, value) in LookAlike) claims[name] = value?.DeepClone();
        return claims;
    }
}
