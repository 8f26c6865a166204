using Lanyard.Testing;
using Xunit;
using static Lanyard.EndToEnd.Tests.ClusterProxy.AuditFiles;

namespace Lanyard.EndToEnd.Tests.ClusterProxy;

/// <summary>What the proxy's audit makes of a path, beside what the API server makes of the same bytes.</summary>
public sealed partial class ClusterProxyTests
{
    [Theory]
    [InlineData("/api/v1/namespaces%2Fkube-system%2Fsecrets/s")]
    [InlineData("/api/v1/namespaces/kube-system/pods%2F..%2Fp/exec")]
    [InlineData("/api/v1/namespaces/kube-system/s%65crets")]
    [InlineData("/api/v1/namespaces/kube-system/%73ecrets?w%61tch=true")]
    [InlineData("/api/v1/watch/namespaces/kube-system/pods/p/status")]
    [InlineData("/api/v1/namespaces//secrets")]
    [InlineData("/%61pi/v1/nodes/")]
    [InlineData("/%76ersion%2fx")]
    [InlineData("/api/v1/namespaces%2Fpipelines%2Fserviceaccounts/cluster-proxy", 200)]
    [Line("3.8")]
    public async Task An_escaped_path_is_the_same_in_our_audit_as_in_the_API_servers(string target, int? code = null)
    {
        using var client = ClientOf(proxied.Token("hider", "deployers"));
        using var answer = await client.GetAsync(new Uri(client.BaseAddress!.GetLeftPart(UriPartial.Authority) + target, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }));

        var id = answer.Headers.GetValues("Audit-Id").Single();
        var ours = await EventAsync(proxied.ProxyAudit, e => Text(e, "auditID") == id && Text(e, "stage") == "ResponseComplete");
        var theirs = await EventAsync(proxied.ApiServerAudit, e => Text(e, "auditID") == id && Text(e, "stage") == "ResponseComplete");

        Assert.True(code is null || code == (int)answer.StatusCode);
        Assert.Equal((target, (int)answer.StatusCode), (Text(ours, "requestURI"), ours["responseStatus"]!["code"]!.GetValue<int>()));
        Assert.Equal((Text(theirs, "verb"), theirs["objectRef"]?.ToJsonString()), (Text(ours, "verb"), ours["objectRef"]?.ToJsonString()));
    }
}
