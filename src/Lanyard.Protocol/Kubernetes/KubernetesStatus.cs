using System.Text.Json.Serialization;

namespace Lanyard.Protocol.Kubernetes;

/// <summary><c>metav1.Status</c>: how Kubernetes tells an error.</summary>
public sealed record KubernetesStatus(string Kind, string ApiVersion, KubernetesListMeta Metadata, string Status, string Message, string Reason, int Code)
{
    public static KubernetesStatus Failure(int code, string reason, string message) => new("Status", "v1", new(), "Failure", message, reason, code);
}

public sealed record KubernetesListMeta;

/// <summary>The Kubernetes dialect: camelCase.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(KubernetesStatus))]
public sealed partial class KubernetesJson : JsonSerializerContext;
