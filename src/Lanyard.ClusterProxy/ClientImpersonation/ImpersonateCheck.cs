using System.Buffers;
using System.Text.Json;
using Lanyard.ClusterProxy.Answers;
using Lanyard.ClusterProxy.Impersonation;

namespace Lanyard.ClusterProxy.ClientImpersonation;

/// <summary>One value that a client wants to take on, as the API server asks its authorizer about it: verb <c>impersonate</c>.</summary>
/// <param name="Group">API group: empty for users, groups and service accounts, else authentication.k8s.io.</param>
/// <param name="Subresource">The decoded key of an extra; else empty.</param>
internal sealed record ImpersonateCheck(string Group, string Resource, string Subresource, string Namespace, string Name)
{
    public const string Authentication = "authentication.k8s.io";
    private const string ServiceAccountPrefix = "system:serviceaccount:";

    /// <summary>A name of the form <c>system:serviceaccount:NAMESPACE:NAME</c> with both valid is a service account, everything else a user.</summary>
    public static ImpersonateCheck OfUser(string name)
    {
        var parts = name.StartsWith(ServiceAccountPrefix, StringComparison.Ordinal) ? name[ServiceAccountPrefix.Length..].Split(':') : [];
        return parts is [var space, var account] && IsLabel(space, 63, dots: false) && IsLabel(account, 253, dots: true)
            ? new("", "serviceaccounts", "", space, account)
            : new("", "users", "", "", name);
    }

    public static ImpersonateCheck OfGroup(string name) => new("", "groups", "", "", name);

    public static ImpersonateCheck OfUid(string uid) => new(Authentication, "uids", "", "", uid);

    public static ImpersonateCheck OfExtra(string key, string value) => new(Authentication, "userextras", key, "", value);

    /// <summary>authorization.k8s.io/v1 SubjectAccessReview: may <paramref name="subject"/> do this?</summary>
    public byte[] Review(KubernetesUser subject)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("apiVersion", "authorization.k8s.io/v1");
        json.WriteString("kind", "SubjectAccessReview");
        json.WriteStartObject("spec");
        WriteSubject(json, subject);
        json.WriteStartObject("resourceAttributes");
        json.WriteString("verb", "impersonate");
        json.WriteString("group", Group);
        json.WriteString("version", "v1");
        json.WriteString("resource", Resource);
        json.WriteString("subresource", Subresource);
        json.WriteString("namespace", Namespace);
        json.WriteString("name", Name);
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>What the API server itself answers when its authorizer says no to the same <c>--as</c>.</summary>
    public KubernetesStatus Forbidden(string subject, string reason)
    {
        var resource = Subresource.Length > 0 ? $"{Resource}/{Subresource}" : Resource;
        var scope = Namespace.Length > 0 ? $"in the namespace {GoText.Quote(Namespace)}" : "at the cluster scope";
        var message = GoText.Sanitize(
            $"User {GoText.Quote(subject)} cannot impersonate resource {GoText.Quote(resource)} in API group {GoText.Quote(Group)} {scope}");
        var qualified = Group.Length > 0 ? $"{Resource}.{Group}" : Resource;
        var why = reason.Length > 0 ? $": {reason}" : "";
        return new KubernetesStatus(403, "Forbidden", $"{qualified} {GoText.Quote(Name)} is forbidden: {message}{why}")
        {
            Details = new StatusDetails(Name, Group, Resource),
        };
    }

    /// <summary>The subject's groups as the API server would complete them for an impersonated user.</summary>
    internal static IEnumerable<string> GroupsOf(KubernetesUser subject)
    {
        foreach (var group in subject.Groups)
        {
            yield return group;
        }

        if (subject.Groups.Count == 0 && OfUser(subject.Name) is { Resource: "serviceaccounts" } account)
        {
            yield return "system:serviceaccounts";
            yield return $"system:serviceaccounts:{account.Namespace}";
        }

        if (!subject.Groups.Contains(KubernetesUser.Authenticated))
        {
            yield return KubernetesUser.Authenticated;
        }
    }

    private static void WriteSubject(Utf8JsonWriter json, KubernetesUser subject)
    {
        json.WriteString("user", subject.Name);
        if (subject.Uid is not null)
        {
            json.WriteString("uid", subject.Uid);
        }

        json.WriteStartArray("groups");
        foreach (var group in GroupsOf(subject))
        {
            json.WriteStringValue(group);
        }

        json.WriteEndArray();
        json.WriteStartObject("extra");
        foreach (var extra in subject.Extras.GroupBy(e => e.Key.ToLowerInvariant(), StringComparer.Ordinal))
        {
            json.WriteStartArray(extra.Key);
            foreach (var value in extra)
            {
                json.WriteStringValue(value.Value);
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private static bool IsLabel(string text, int max, bool dots) =>
        text.Length > 0 && text.Length <= max && char.IsAsciiLetterOrDigit(text[0]) && char.IsAsciiLetterOrDigit(text[^1])
        && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-' || (dots && c == '.'))
        && !(dots && (text.Contains("..", StringComparison.Ordinal) || text.Contains(".-", StringComparison.Ordinal) || text.Contains("-.", StringComparison.Ordinal)));
}
