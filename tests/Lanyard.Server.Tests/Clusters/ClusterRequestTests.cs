using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Clusters;
using Lanyard.Testing;
using Lanyard.Testing.Kube;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.Server.Tests.Clusters;

/// <summary>register.sh as its users run it, with bash, curl and kubectl, against a real API server; and what becomes of its code.</summary>
[Line("2.7")]
[Needs("kube")]
public sealed partial class ClusterRequestTests(KubeCluster cluster) : IClassFixture<KubeCluster>, IAsyncLifetime
{
    private ClusterServer _server = null!;
    private string? _account;

    public async ValueTask InitializeAsync() => _server = await ClusterServer.StartAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task The_wizard_of_the_server_ends_with_a_code_that_an_admin_approves_once()
    {
        var wizard = await WizardAsync("--namespace", "team-a", "--service-account", "lanyard-runner", "--create");
        Assert.True(wizard.ExitCode == 0, wizard.Output + wizard.Errors);
        var code = CodePattern().Match(wizard.Output).Value;
        Assert.NotEmpty(code);
        Assert.Empty(_server.Trusted);

        var path = $"/v1/workspaces/acme/cluster-requests/{code}";
        var (status, request) = await _server.SendAsync(HttpMethod.Get, path.ToLowerInvariant());
        Assert.Equal(200, status);
        Assert.True(request!["report"]!["verified"]!.GetValue<bool>());
        Assert.Equal("team-a", request["spec"]!["runner"]!["namespace"]!.GetValue<string>());

        var approval = new JsonObject { ["slug"] = "prod" };
        Assert.Equal(403, (await _server.SendAsync(HttpMethod.Post, path + "/approve", approval, "viewer")).Status);
        Assert.Equal(404, (await _server.SendAsync(HttpMethod.Post, path + "/approve", approval, "foreign")).Status);
        Assert.Equal(201, (await _server.SendAsync(HttpMethod.Post, path + "/approve", approval)).Status);
        Assert.Equal(cluster.Issuer, Assert.Single(_server.Trusted.Values).Issuer);

        Assert.Equal(404, (await _server.SendAsync(HttpMethod.Post, path + "/approve", new JsonObject { ["slug"] = "again" })).Status);
        Assert.Single(_server.Trusted);
    }

    [Fact]
    public async Task The_wizard_creates_nothing_that_it_was_not_told_to_create()
    {
        var wizard = await WizardAsync("--namespace", "not-there", "--yes");

        Assert.Equal(1, wizard.ExitCode);
        Assert.Contains("There is no namespace not-there", wizard.Errors, StringComparison.Ordinal);
        Assert.NotEqual(0, (await cluster.KubectlAsync("get", "namespace", "not-there")).ExitCode);
        Assert.Equal(0, await _server.CountAsync("cluster_requests"));
    }

    [Theory]
    [InlineData("--namespace", "a\",\"x\":\"")]
    [InlineData("--service-account", "$(id)")]
    [InlineData("--namespace", "../kube-system")]
    [InlineData("--nonsense", "x")]
    [InlineData("--namespace")]
    public async Task The_wizard_takes_no_name_that_is_none(params string[] flags)
    {
        var wizard = await WizardAsync([.. flags]);

        Assert.Equal(1, wizard.ExitCode);
        Assert.Equal(0, await _server.CountAsync("cluster_requests"));
    }

    [Fact]
    public async Task The_token_is_on_no_command_line_of_the_wizard()
    {
        var script = await _server.Http.GetStringAsync(_server.Url + "/register.sh");

        // curl reads the body from standard input, kubectl the request; the token is in shell variables only.
        Assert.DoesNotMatch(new Regex("(curl|kube) [^|]*\\$\\{?(token|body)"), script.Replace("\\\n", " ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_request_without_a_token_of_its_own_keys_gets_no_code()
    {
        var (_, code) = await RequestAsync(await SpecAsync(), "x.y.z");
        Assert.Null(code);
        var elsewhere = await cluster.RequestTokenAsync("default", await AccountAsync(), ["https://elsewhere.example.com"], 600);
        (var status, code) = await RequestAsync(await SpecAsync(), elsewhere);
        Assert.Equal((422, null), (status, code));
        Assert.Equal(0, await _server.CountAsync("cluster_requests"));
    }

    [Fact]
    public async Task Nothing_is_fetched_for_callers_that_are_not_known()
    {
        var spec = await SpecAsync() with { Issuer = "https://issuer.example.com", Keys = new ClusterKeys(Discovery: true) };

        Assert.Equal((400, null), await RequestAsync(spec, await cluster.RequestTokenAsync("default", await AccountAsync(), [_server.Url], 600)));
    }

    [Fact]
    public async Task A_code_dies_after_an_hour()
    {
        var (_, code) = await RequestAsync(await SpecAsync(), await cluster.RequestTokenAsync("default", await AccountAsync(), [_server.Url], 600));
        Assert.Equal(200, (await _server.SendAsync(HttpMethod.Get, $"/v1/workspaces/acme/cluster-requests/{code}")).Status);
        _server.Time.Shift = TimeSpan.FromMinutes(61);

        Assert.Equal(404, (await _server.SendAsync(HttpMethod.Get, $"/v1/workspaces/acme/cluster-requests/{code}")).Status);
        Assert.Equal(404, (await _server.SendAsync(HttpMethod.Post, $"/v1/workspaces/acme/cluster-requests/{code}/approve", new JsonObject { ["slug"] = "prod" })).Status);
        Assert.Empty(_server.Trusted);
    }

    [Fact]
    public async Task A_taken_name_leaves_the_code_good_for_another()
    {
        var (_, first) = await RequestAsync(await SpecAsync(), await cluster.RequestTokenAsync("default", await AccountAsync(), [_server.Url], 600));
        var (_, second) = await RequestAsync(await SpecAsync(), await cluster.RequestTokenAsync("default", await AccountAsync(), [_server.Url], 601));
        Assert.Equal(201, (await ApproveAsync(first!, "prod")).Status);
        var taken = await ApproveAsync(second!, "prod");
        Assert.Equal((409, "the workspace has a cluster prod: approve it under another slug, or delete that one first"), (taken.Status, taken.Body!["mistakes"]![0]!["text"]!.GetValue<string>()));
        Assert.Equal(201, (await ApproveAsync(second!, "prod-2")).Status);
    }

    [Fact]
    public async Task Guessing_codes_ends_after_ten_and_a_good_code_does_not_help_then()
    {
        var (_, code) = await RequestAsync(await SpecAsync(), await cluster.RequestTokenAsync("default", await AccountAsync(), [_server.Url], 600));
        for (var guess = 0; guess < 10; guess++)
        {
            Assert.Equal(404, (await _server.SendAsync(HttpMethod.Get, $"/v1/workspaces/acme/cluster-requests/AAAA-AAA{guess}")).Status);
        }

        Assert.Equal(429, (await _server.SendAsync(HttpMethod.Get, $"/v1/workspaces/acme/cluster-requests/{code}")).Status);
        Assert.Equal(429, (await ApproveAsync(code!, "prod")).Status);
        Assert.Empty(_server.Trusted);
    }

    [Fact]
    public async Task One_address_asks_for_twenty_in_ten_minutes_and_no_more()
    {
        for (var request = 0; request < 20; request++)
        {
            Assert.Equal(422, (await RequestAsync(await SpecAsync(), "x.y.z")).Status);
        }

        Assert.Equal(429, (await RequestAsync(await SpecAsync(), "x.y.z")).Status);
    }

    private Task<(int Status, JsonNode? Body)> ApproveAsync(string code, string slug) =>
        _server.SendAsync(HttpMethod.Post, $"/v1/workspaces/acme/cluster-requests/{code}/approve", new JsonObject { ["slug"] = slug });

    private async Task<(int Status, string? Code)> RequestAsync(ClusterSpec spec, string token)
    {
        var body = JsonSerializer.SerializeToNode(new ClusterRequest(spec, token), ClusterJson.Default.ClusterRequest);
        var (status, answer) = await _server.SendAsync(HttpMethod.Post, "/v1/cluster-requests", body, bearer: null);
        return (status, answer?["code"]?.GetValue<string>());
    }

    /// <summary>The test's own service account, so that no two tests have the same token.</summary>
    private async Task<string> AccountAsync()
    {
        if (_account is null)
        {
            _account = $"sa-{Guid.NewGuid():n}";
            await cluster.CreateServiceAccountAsync("default", _account);
        }

        return _account;
    }

    private async Task<ClusterSpec> SpecAsync()
    {
        using var jwks = JsonDocument.Parse(await cluster.GetJwksAsync());
        return new ClusterSpec(cluster.Issuer, new ClusterKeys(Jwks: jwks.RootElement.Clone()), new ClusterSubject("default", await AccountAsync()));
    }

    /// <summary>As the documentation says it: the script comes by curl, its flags after <c>--</c>.</summary>
    private Task<CommandResult> WizardAsync(params string[] flags) => Command.RunAsync(
        "bash", ["-c", "bash -c \"$(curl -fsSL \"$0/register.sh\")\" -- \"$@\" < /dev/null", _server.Url, .. flags],
        new Dictionary<string, string?> { ["KUBECONFIG"] = cluster.KubeconfigPath, ["LANYARD_YES"] = "1" }, deadline: TimeSpan.FromMinutes(2));

    [GeneratedRegex("[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}")]
    private static partial Regex CodePattern();
}

[Line("2.7")]
public sealed class RegisterScriptTests
{
    [Theory]
    [InlineData("https://lanyard.example.com")]
    [InlineData("https://lanyard.example.com/$(touch /tmp/x)")]
    [InlineData("https://lanyard.example.com/'; echo hacked; '")]
    [InlineData("https://lanyard.example.com/`id`\"\\")]
    public async Task Whatever_the_URL_is_the_shell_sees_one_word(string url)
    {
        var result = await Command.RunAsync("bash", ["-c", $"printf %s {RegisterScript.Quoted(url)}"]);

        Assert.Equal(url, result.Output);
        Assert.Contains($"server={RegisterScript.Quoted(url)}\n", RegisterScript.For(url), StringComparison.Ordinal);
    }

    [Fact]
    public void Codes_are_read_as_people_type_them_and_carry_forty_bits()
    {
        var codes = Enumerable.Range(0, 2000).Select(_ => RequestCode.New()).ToHashSet();

        Assert.Equal(2000, codes.Count);
        Assert.All(codes, code => Assert.True(RequestCode.TryParse(code.ToLowerInvariant().Replace("-", "", StringComparison.Ordinal), out var parsed) && parsed == code));
        Assert.True(RequestCode.TryParse("k7qf-2moi", out var read));
        Assert.Equal("K7QF-2M01", read);
        Assert.False(RequestCode.TryParse("K7QF-2M9U", out _));
        Assert.False(RequestCode.TryParse("K7QF-2M9", out _));
    }
}
