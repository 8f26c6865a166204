namespace Lanyard.Protocol.Resources;

/// <param name="DisplayName">For people, at most 200 characters.</param>
/// <param name="DefaultAudience">Audience of a step's identity token when the step names none; absent: the workspace's issuer URL.</param>
public sealed record WorkspaceSpec(string? DisplayName = null, string? DefaultAudience = null);

/// <param name="Issuer">The workspace's OIDC issuer: what relying parties trust.</param>
/// <param name="DefaultAudience">In force.</param>
public sealed record WorkspaceStatus(string Issuer, string DefaultAudience);

/// <param name="DisplayName">For people, at most 200 characters.</param>
/// <param name="Cloud">The cloud accounts of its runs.</param>
/// <param name="Pod">How the pods of its runs look.</param>
public sealed record CollectionSpec(string? DisplayName = null, CloudSpec? Cloud = null, PodSpec? Pod = null);
