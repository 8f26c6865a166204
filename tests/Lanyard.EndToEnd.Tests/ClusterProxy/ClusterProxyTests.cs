using System.Net;
using Lanyard.Testing;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.EndToEnd.Tests.ClusterProxy;

/// <summary>kubectl with a pipeline's token, through the proxy, on a real API server whose RBAC decides.</summary>
[Needs("kube")]
public sealed partial class ClusterProxyTests(ProxiedCluster proxied) : IClassFixture<ProxiedCluster>
{
    [Fact]
    [Line("3.1")]
    [Line("3.7")]
    public async Task RBAC_decides_by_the_users_and_groups_of_the_token()
    {
        var stranger = await proxied.KubectlAsync(proxied.Token("repo:acme/app"), "get", "pods", "-n", ProxiedCluster.Namespace);
        var deployer = await proxied.KubectlAsync(proxied.Token("repo:acme/app", "deployers", "others"), "get", "serviceaccounts", "-n", ProxiedCluster.Namespace, "-o", "name");
        var elsewhere = await proxied.KubectlAsync(proxied.Token("repo:acme/app", "deployers"), "get", "pods", "-n", "default");

        Assert.Equal(1, stranger.ExitCode);
        Assert.Contains("User \"ci:repo:acme/app\" cannot list resource \"pods\"", stranger.Errors, StringComparison.Ordinal);
        Assert.Contains("serviceaccount/cluster-proxy", deployer.Succeeded(), StringComparison.Ordinal);
        Assert.Contains("Forbidden", elsewhere.Errors, StringComparison.Ordinal);
    }

    [Fact]
    [Line("3.1")]
    public async Task A_service_account_of_the_cluster_itself_comes_in_by_its_own_token()
    {
        var @namespace = await NewServiceAccountAsync("runner");
        var token = await proxied.Cluster.RequestTokenAsync(@namespace, "runner", [ProxiedCluster.Audience]);
        await proxied.ApplyAsync($$"""
            apiVersion: rbac.authorization.k8s.io/v1
            kind: RoleBinding
            metadata: {name: runner, namespace: {{@namespace}}}
            roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
            subjects: [{kind: ServiceAccount, name: runner, namespace: {{@namespace}}}]
            """);

        Assert.Contains("serviceaccount/runner", (await proxied.KubectlAsync(token, "get", "sa", "-n", @namespace, "-o", "name")).Succeeded(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("none")]
    [InlineData("garbage")]
    [InlineData("audience")]
    [InlineData("issuer")]
    [InlineData("expired")]
    [InlineData("key")]
    [Line("3.1")]
    [Line("3.7")]
    public async Task A_token_that_is_not_for_us_is_401_with_the_API_servers_own_body(string fault)
    {
        await using var other = await TestIssuer.StartAsync();
        var token = fault switch
        {
            "garbage" => "a.b.c",
            "audience" => proxied.Issuer.Mint("https://other.example"),
            "issuer" => other.Mint(ProxiedCluster.Audience),
            "expired" => proxied.Issuer.Mint(ProxiedCluster.Audience, change: c => (c["iat"], c["nbf"], c["exp"]) = (1_000_000, 1_000_000, 1_000_300)),
            "key" => other.Mint(ProxiedCluster.Audience, change: c => c["iss"] = proxied.Issuer.Issuer),
            _ => null,
        };
        using var client = ClientOf(token);
        using var direct = proxied.Cluster.CreateClient("not-a-token");

        using var answer = await client.GetAsync(new Uri("/api/v1/pods", UriKind.Relative));
        using var real = await direct.GetAsync(new Uri("/api/v1/pods", UriKind.Relative));

        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Equal(await real.Content.ReadAsStringAsync(), await answer.Content.ReadAsStringAsync());
        Assert.Equal(real.Content.Headers.ContentType, answer.Content.Headers.ContentType);
    }

    [Fact]
    [Line("3.6")]
    public async Task A_watch_shows_an_event_while_it_is_open()
    {
        var kubeconfig = proxied.KubeconfigFor(proxied.Token("watcher", "deployers"));
        await using var watch = ChildProcess.Start("kubectl", ["--kubeconfig", kubeconfig, "get", "configmaps", "-n", ProxiedCluster.Namespace, "--watch", "-o", "name"]);
        await watch.WaitForLineAsync("configmap/");

        (await proxied.KubectlAsync(proxied.Token("writer", "deployers"), "create", "configmap", "seen-by-watch", "-n", ProxiedCluster.Namespace)).Succeeded();

        await watch.WaitForLineAsync("configmap/seen-by-watch");
        Assert.False(watch.HasExited);
    }

    [Fact]
    [Line("3.6")]
    public async Task Exec_attach_cp_logs_and_port_forward_reach_a_real_pod()
    {
        await proxied.ApplyAsync("""
            apiVersion: v1
            kind: Pod
            metadata: {name: worker, namespace: pipelines}
            spec:
              serviceAccountName: cluster-proxy
              automountServiceAccountToken: false
              containers:
              - name: main
                image: docker.io/test/busybox:1
                imagePullPolicy: Never
                command: [sh, -c, "echo started; while true; do echo served | nc -l -p 8080; echo again; done"]
              - name: listener
                image: docker.io/test/busybox:1
                imagePullPolicy: Never
                stdin: true
                command: [sh, -c, "while read line; do echo heard $line; done"]
            """);
        var token = proxied.Token("deploy", "deployers");
        (await proxied.KubectlAsync(token, "wait", "-n", ProxiedCluster.Namespace, "--for=condition=Ready", "pod/worker", "--timeout=90s")).Succeeded();
        foreach (var kubectl in await KubectlOnPath.AllAsync())
        {
            await ExecCopyAndAttachAsync(kubectl, proxied.KubeconfigFor(token));
        }

        await using var logs = ChildProcess.Start("kubectl", ["--kubeconfig", proxied.KubeconfigFor(token), "logs", "-f", "-n", ProxiedCluster.Namespace, "worker", "-c", "main"]);
        await logs.WaitForLineAsync("started");
        await using var forward = ChildProcess.Start("kubectl", ["--kubeconfig", proxied.KubeconfigFor(token), "port-forward", "-n", ProxiedCluster.Namespace, "pod/worker", ":8080"]);
        var line = await forward.WaitForLineAsync("Forwarding from 127.0.0.1:");
        var port = line.Split(':')[1].Split(' ')[0];
        using var socket = new System.Net.Sockets.TcpClient();
        await socket.ConnectAsync(IPAddress.Loopback, int.Parse(port, System.Globalization.CultureInfo.InvariantCulture));
        using var reader = new StreamReader(socket.GetStream());

        Assert.Equal("served", await reader.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(120)));
        await logs.WaitForLineAsync("again");
        var denied = await proxied.KubectlAsync(proxied.Token("stranger"), "exec", "-n", ProxiedCluster.Namespace, "worker", "-c", "main", "--", "true");
        Assert.Contains("Forbidden", denied.Errors, StringComparison.Ordinal);
    }

    /// <summary>What goes in comes out: by exec, by cp there and back (a MiB that no buffer holds at once), and by attach.</summary>
    private static async Task ExecCopyAndAttachAsync(string kubectl, string kubeconfig)
    {
        string[] common = ["--kubeconfig", kubeconfig, "-n", ProxiedCluster.Namespace];
        var echoed = await Command.RunAsync(kubectl, [.. common, "exec", "-i", "worker", "-c", "main", "--", "cat"], input: "through the proxy");
        var failed = await Command.RunAsync(kubectl, [.. common, "exec", "worker", "-c", "main", "--", "sh", "-c", "exit 7"]);
        var folder = Directory.CreateTempSubdirectory("lanyard-cp-");
        try
        {
            var (sent, back) = (Path.Combine(folder.FullName, "sent"), Path.Combine(folder.FullName, "back"));
            var bytes = System.Security.Cryptography.RandomNumberGenerator.GetBytes(1 << 20);
            await File.WriteAllBytesAsync(sent, bytes);
            (await Command.RunAsync(kubectl, [.. common, "cp", "-c", "main", sent, "worker:/sent"])).Succeeded();
            (await Command.RunAsync(kubectl, [.. common, "cp", "-c", "main", "worker:/sent", back])).Succeeded();

            Assert.Equal("through the proxy", echoed.Succeeded());
            Assert.Equal(7, failed.ExitCode);
            Assert.Equal(bytes, await File.ReadAllBytesAsync(back));
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        var word = Guid.NewGuid().ToString("N");
        await using var attached = ChildProcess.Start("sh", ["-c", "(echo $1; exec tail -f /dev/null) | $2 --kubeconfig $3 -n $4 attach -i worker -c listener", "sh", word, kubectl, kubeconfig, ProxiedCluster.Namespace]);
        await attached.WaitForLineAsync($"heard {word}");
    }

    private async Task<string> NewServiceAccountAsync(string name)
    {
        var @namespace = $"n{Guid.NewGuid():N}"[..16];
        await proxied.Cluster.CreateNamespaceAsync(@namespace);
        await proxied.Cluster.CreateServiceAccountAsync(@namespace, name);
        return @namespace;
    }

    private HttpClient ClientOf(string? token)
    {
        var trusted = System.Security.Cryptography.X509Certificates.X509CertificateLoader.LoadCertificateFromFile(proxied.CertificateFile);
        var handler = new HttpClientHandler { ServerCertificateCustomValidationCallback = (_, certificate, _, _) => certificate!.Thumbprint == trusted.Thumbprint };
        var client = new HttpClient(handler) { BaseAddress = proxied.Address };
        client.DefaultRequestHeaders.Authorization = token is null ? null : new("Bearer", token);
        return client;
    }
}
