using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Testing;
using Lanyard.Testing.Processes;
using Xunit;
using static Lanyard.EndToEnd.Tests.ClusterProxy.AuditFiles;

namespace Lanyard.EndToEnd.Tests.ClusterProxy;

/// <summary>What an operator sees of the proxy, beside what the real API server sees of the same requests.</summary>
[Needs("kube")]
public sealed class ProxyOperationTests(ProxiedCluster proxied) : IClassFixture<ProxiedCluster>
{
    [Fact]
    [Line("3.8")]
    public async Task Both_audits_name_a_request_alike_and_ours_knows_the_pipeline()
    {
        (await proxied.KubectlAsync(proxied.Token("repo:acme/app", "deployers"), "create", "configmap", "audited", "-n", ProxiedCluster.Namespace)).Succeeded();

        var ours = await EventAsync(proxied.ProxyAudit, e => Is(e, "create", "configmaps"));
        var theirs = await EventAsync(proxied.ApiServerAudit, e => Text(e, "auditID") == Text(ours, "auditID") && Text(e, "stage") == "ResponseComplete");

        Assert.Equal("ci:repo:acme/app", Text(ours, "user", "username"));
        Assert.Equal("system:serviceaccount:pipelines:cluster-proxy", Text(theirs, "user", "username"));
        Assert.Equal("ci:repo:acme/app", Text(theirs, "impersonatedUser", "username"));
        Assert.Equal(201, ours["responseStatus"]!["code"]!.GetValue<int>());
        foreach (var member in (string[])["verb", "requestURI", "userAgent"])
        {
            Assert.Equal(Text(theirs, member), Text(ours, member));
        }

        foreach (var member in (string[])["resource", "namespace", "apiVersion"])
        {
            Assert.Equal(Text(theirs, "objectRef", member), Text(ours, "objectRef", member));
        }
    }

    [Theory]
    [InlineData("get", "deployments.apps", "-n", "default")]
    [InlineData("get", "--raw", "/apis/rbac.authorization.k8s.io/v1/clusterroles?limit=1")]
    [InlineData("get", "--raw", "/version")]
    [InlineData("delete", "pod", "absent", "-n", "default")]
    [Line("3.8")]
    public async Task A_request_is_read_for_the_audit_as_the_API_server_reads_it(params string[] arguments)
    {
        var user = $"auditor-{Guid.NewGuid():N}";
        await proxied.KubectlAsync(proxied.Token(user), arguments);

        var ours = await EventAsync(proxied.ProxyAudit, e => Text(e, "user", "username") == $"ci:{user}" && (arguments[1] != "--raw" || Text(e, "requestURI") == arguments[^1])
            && (arguments[1] == "--raw" || (Text(e, "objectRef", "resource") is { } resource && arguments[1].StartsWith(resource[..3], StringComparison.Ordinal))));
        var theirs = await EventAsync(proxied.ApiServerAudit, e => Text(e, "auditID") == Text(ours, "auditID") && Text(e, "stage") == "ResponseComplete");

        Assert.Equal(Text(theirs, "verb"), Text(ours, "verb"));
        Assert.Equal(theirs["objectRef"]?.ToJsonString(), ours["objectRef"]?.ToJsonString());
        Assert.Equal(theirs["responseStatus"]!["code"]!.GetValue<int>(), ours["responseStatus"]!["code"]!.GetValue<int>());
    }

    [Fact]
    [Line("3.8")]
    public async Task A_401_and_a_refused_as_are_in_our_audit_with_their_cause()
    {
        await proxied.KubectlAsync("not.a.token", "get", "pods");
        await proxied.KubectlAsync(proxied.Token("asker"), "get", "pods", "--as=root");

        var unauthenticated = await EventAsync(proxied.ProxyAudit, e => e["responseStatus"]?["code"]?.GetValue<int>() == 401);
        var refused = await EventAsync(proxied.ProxyAudit, e => Text(e, "user", "username") == "ci:asker" && e["responseStatus"]?["code"]?.GetValue<int>() == 403);

        Assert.Equal("Authentication failed, attempted: bearer", Text(unauthenticated, "responseStatus", "message"));
        Assert.NotNull(unauthenticated["annotations"]!["lanyard/refusal"]);
        Assert.Contains("users \"root\" is forbidden", Text(refused, "responseStatus", "message"), StringComparison.Ordinal);
    }

    [Fact]
    [Line("3.1")]
    public async Task A_token_that_only_the_API_server_knows_is_passed_on()
    {
        var @namespace = $"n{Guid.NewGuid():N}"[..16];
        await proxied.Cluster.CreateNamespaceAsync(@namespace);
        await proxied.Cluster.CreateServiceAccountAsync(@namespace, "inside");
        await proxied.ApplyAsync($$"""
            apiVersion: rbac.authorization.k8s.io/v1
            kind: RoleBinding
            metadata: {name: inside, namespace: {{@namespace}}}
            roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
            subjects: [{kind: ServiceAccount, name: inside, namespace: {{@namespace}}}]
            """);
        var token = await proxied.Cluster.RequestTokenAsync(@namespace, "inside", []);

        var said = await proxied.KubectlAsync(token, "get", "sa", "-n", @namespace, "-o", "name");

        Assert.Contains("serviceaccount/inside", said.Succeeded(), StringComparison.Ordinal);
        var theirs = await EventAsync(proxied.ApiServerAudit, e => Text(e, "user", "username") == $"system:serviceaccount:{@namespace}:inside");
        Assert.Null(theirs["impersonatedUser"]);
    }

    [Fact]
    [Line("3.1")]
    public async Task A_token_that_breaks_a_rule_in_CEL_is_401()
    {
        var token = proxied.Issuer.Mint(ProxiedCluster.Audience, "long", static c => c["exp"] = c["nbf"]!.GetValue<long>() + 7200);

        Assert.Contains("Unauthorized", (await proxied.KubectlAsync(token, "get", "pods")).Errors, StringComparison.Ordinal);
        Assert.Contains("tokens of an hour at most", proxied.ProxyErrors, StringComparison.Ordinal);
    }

    [Fact]
    [Line("3.9")]
    public async Task Metrics_and_readiness_are_told_on_the_health_port()
    {
        await proxied.KubectlAsync(proxied.Token("counted"), "get", "pods");
        using var http = new HttpClient { BaseAddress = proxied.Health };

        await Eventually.HoldsAsync(
            async () => (await http.GetStringAsync(new Uri("/metrics", UriKind.Relative))).Contains("lanyard_cluster_proxy_requests_total{method=\"GET\",code=\"403\"}", StringComparison.Ordinal),
            "the refused request among the counts");
        Assert.Contains($"[+] {proxied.Issuer.Issuer} ok", await http.GetStringAsync(new Uri("/readyz", UriKind.Relative)), StringComparison.Ordinal);
        using var api = await http.GetAsync(new Uri("/api", UriKind.Relative));
        Assert.Equal(HttpStatusCode.NotFound, api.StatusCode);
    }

    /// <summary>Idle for longer than the time limits that proxies have by default (60 s, 100 s, 120 s, 130 s).</summary>
    [Fact]
    [Line("3.6")]
    public async Task An_exec_that_was_idle_for_150_seconds_goes_on()
    {
        await proxied.ApplyAsync("""
            apiVersion: v1
            kind: Pod
            metadata: {name: idle, namespace: pipelines}
            spec:
              serviceAccountName: cluster-proxy
              automountServiceAccountToken: false
              containers:
              - name: main
                image: docker.io/test/busybox:1
                imagePullPolicy: Never
                command: [sh, -c, "sleep 3600"]
            """);
        var token = proxied.Token("patient", "deployers");
        (await proxied.KubectlAsync(token, "wait", "-n", ProxiedCluster.Namespace, "--for=condition=Ready", "pod/idle", "--timeout=90s")).Succeeded();

        await using var exec = ChildProcess.Start(
            "kubectl", ["--kubeconfig", proxied.KubeconfigFor(token), "exec", "-n", ProxiedCluster.Namespace, "idle", "--", "sh", "-c", "echo begins; sleep 150; echo goes-on"]);
        await exec.WaitForLineAsync("begins");

        await exec.WaitForLineAsync("goes-on", TimeSpan.FromSeconds(240));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Line("3.1")]
    [Line("3.6")]
    public async Task A_raw_v4_channel_WebSocket_execs_in_a_real_pod_with_its_bearer_in_a_header_or_a_sub_protocol(bool bySubProtocol)
    {
        await proxied.ApplyAsync("""
            apiVersion: v1
            kind: Pod
            metadata: {name: socket, namespace: pipelines}
            spec:
              serviceAccountName: cluster-proxy
              automountServiceAccountToken: false
              containers:
              - name: main
                image: docker.io/test/busybox:1
                imagePullPolicy: Never
                command: [sh, -c, "sleep 3600"]
            """);
        var token = proxied.Token("socket", "deployers");
        (await proxied.KubectlAsync(token, "wait", "-n", ProxiedCluster.Namespace, "--for=condition=Ready", "pod/socket", "--timeout=90s")).Succeeded();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        using var socket = new System.Net.WebSockets.ClientWebSocket();
        socket.Options.AddSubProtocol("v4.channel.k8s.io");
        if (bySubProtocol)
        {
            socket.Options.AddSubProtocol("base64url.bearer.authorization.k8s.io." + System.Buffers.Text.Base64Url.EncodeToString(System.Text.Encoding.UTF8.GetBytes(token)));
        }
        else
        {
            socket.Options.SetRequestHeader("Authorization", $"Bearer {token}");
        }

        var trusted = System.Security.Cryptography.X509Certificates.X509CertificateLoader.LoadCertificateFromFile(proxied.CertificateFile).Thumbprint;
        socket.Options.RemoteCertificateValidationCallback = (_, certificate, _, _) => ((System.Security.Cryptography.X509Certificates.X509Certificate2)certificate!).Thumbprint == trusted;
        var address = new UriBuilder(proxied.Address) { Scheme = "wss", Path = "/api/v1/namespaces/pipelines/pods/socket/exec", Query = "command=cat&stdin=true&stdout=true" }.Uri;

        await socket.ConnectAsync(address, limit.Token);
        await socket.SendAsync(new byte[] { 0, (byte)'h', (byte)'i', (byte)'\n' }, System.Net.WebSockets.WebSocketMessageType.Binary, endOfMessage: true, limit.Token);
        var said = "";
        var buffer = new byte[1024];
        while (!said.Contains("hi", StringComparison.Ordinal))
        {
            var read = await socket.ReceiveAsync(buffer, limit.Token);
            Assert.NotEqual(System.Net.WebSockets.WebSocketMessageType.Close, read.MessageType);
            said += read.Count > 1 && buffer[0] == 1 ? System.Text.Encoding.UTF8.GetString(buffer, 1, read.Count - 1) : "";
        }

        Assert.Equal("v4.channel.k8s.io", socket.SubProtocol);
    }

    [Fact]
    [Line("3.7")]
    public async Task While_the_API_server_is_away_kubectl_is_told_so_and_afterwards_all_goes_on()
    {
        var token = proxied.Token("patient", "deployers");
        (await proxied.KubectlAsync(token, "get", "configmaps", "-n", ProxiedCluster.Namespace)).Succeeded();
        await proxied.Cluster.StopApiServerAsync();

        var away = await proxied.KubectlAsync(token, "get", "--raw", "/version");

        await proxied.Cluster.StartApiServerAsync();
        Assert.Contains("the API server behind the cluster proxy is not reachable", away.Errors, StringComparison.Ordinal);
        await Eventually.HoldsAsync(
            async () => (await proxied.KubectlAsync(token, "get", "configmaps", "-n", ProxiedCluster.Namespace)).ExitCode == 0, "the cluster again", TimeSpan.FromMinutes(2));
    }

    private static bool Is(JsonNode e, string verb, string resource) =>
        Text(e, "verb") == verb && Text(e, "objectRef", "resource") == resource && Text(e, "stage") == "ResponseComplete" && Text(e, "user", "username") == "ci:repo:acme/app";
}
