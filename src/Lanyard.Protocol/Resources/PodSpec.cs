namespace Lanyard.Protocol.Resources;

/// <summary>
/// How the pods of runs look, where a runner runs them in Kubernetes; in a collection or a definition, whose members stand before the collection's.
/// </summary>
/// <param name="Image">Of the steps: any image with <c>/bin/sh</c>.</param>
/// <param name="ImagePullPolicy"><c>Always</c>, <c>IfNotPresent</c> or <c>Never</c>; absent: Kubernetes decides.</param>
/// <param name="ServiceAccount">In the runner's namespace; the runner must allow it.</param>
/// <param name="NodeSelector">Labels that the node must have.</param>
/// <param name="Requests">Of the steps' container, such as <c>cpu: 500m</c>, <c>memory: 1Gi</c>.</param>
/// <param name="Limits">Of the steps' container.</param>
/// <param name="User">The uid that steps run under, not 0; absent: 65532.</param>
public sealed record PodSpec(
    string? Image = null,
    string? ImagePullPolicy = null,
    string? ServiceAccount = null,
    IReadOnlyDictionary<string, string>? NodeSelector = null,
    IReadOnlyDictionary<string, string>? Requests = null,
    IReadOnlyDictionary<string, string>? Limits = null,
    long? User = null);
