using System.Text.Json.Serialization;

namespace Lanyard.Server.Cache;

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(CacheProvenance))]
internal sealed partial class CacheJson : JsonSerializerContext;
