using System.Text.Json.Nodes;
using Lanyard.Identity.Jose;
using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests.Machines;

/// <summary>A host proves itself by one command, and nothing but that proof is sent.</summary>
[Line("4.1")]
public sealed class AttestCommandTests() : CliApiTests("acme")
{
    private readonly List<string> _bearers = [];
    private JsonNode? _sent;
    private int _status = 201;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        Api.TakesAnyBearer = true;
        Api.OnRequest = async http =>
        {
            if (http.Request is not { Method: "POST", Path.Value: "/runtime/machines" }) return false;
            _bearers.Add(http.Request.Headers.Authorization.ToString()["Bearer ".Length..]);
            _sent = JsonNode.Parse(await new StreamReader(http.Request.Body).ReadToEndAsync());
            if (_status != 201)
            {
                await FakeApi.ProblemAsync(http, _status, "The token is not accepted.", []);
                return true;
            }

            http.Response.StatusCode = 201;
            await http.Response.WriteAsync("""{"machine":{"id":"machine_1"},"token":"a.b.c"}""");
            return true;
        };
    }

    [Fact]
    public async Task A_service_accounts_token_is_shown_as_it_stands_in_its_file_and_the_four_lines_come_back()
    {
        var exit = await Cli.RunAsync("machine", "attest", "--identity", "build-vms", "--token-file", Cli.Write("token", "x.y.z\n"), "--env");

        Assert.Equal(
            (0, $"ACTIONS_RESULTS_URL={Api.Url}/\nACTIONS_CACHE_URL={Api.Url}/runtime/cache/\nACTIONS_CACHE_SERVICE_V2=true\nACTIONS_RUNTIME_TOKEN=a.b.c\n"), (exit, Cli.Out.ToString()));
        Assert.Equal("machine_1\n", Cli.Error.ToString());
        Assert.Equal("""{"workspace":"acme","identity":"build-vms"}""", _sent!.ToJsonString());
        Assert.Equal(["x.y.z"], _bearers);
    }

    [Fact]
    public async Task A_hosts_key_signs_an_assertion_for_this_server_anew_each_time_and_stays_where_it_is()
    {
        using var key = SigningKey.Generate(SignatureAlgorithm.ES256);
        var file = Cli.Write("host.pem", key.ExportPem());

        Assert.Equal((0, "a.b.c\n"), (await Cli.RunAsync("machine", "attest", "--identity", "host", "--key-file", file), Cli.Out.ToString()));
        Assert.Equal(0, await Cli.RunAsync("machine", "attest", "--identity", "host", "--key-file", file, "-o", "json"));

        Assert.Equal("machine_1", JsonNode.Parse(Cli.Out.ToString())!["machine"]!["id"]!.GetValue<string>());
        var said = _bearers.ConvertAll(static bearer => JsonNode.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(bearer.Split('.')[1]))!);
        Assert.All(said, token => Assert.Equal(($"key_{key.KeyId}", $"key_{key.KeyId}", Api.Url), (token["iss"]!.GetValue<string>(), token["sub"]!.GetValue<string>(), token["aud"]!.GetValue<string>())));
        Assert.NotEqual(_bearers[0], _bearers[1]);
    }

    [Theory]
    [InlineData()]
    [InlineData("--token-file", "t", "--key-file", "k")]
    [InlineData("--key-file", "missing.pem")]
    [InlineData("--key-file", "t")]
    public async Task Without_one_proof_that_can_be_read_nothing_is_sent_and_no_key_is_made(params string[] proof)
    {
        foreach (var name in (string[])["t", "k"]) Cli.Write(name, "x");

        Assert.Equal(2, await Cli.RunAsync(["machine", "attest", "--identity", "host", .. proof.Select(word => word.StartsWith("--", StringComparison.Ordinal) ? word : Path.Combine(Cli.Folder, word))]));

        Assert.Empty(Api.Requests);
        Assert.False(File.Exists(Path.Combine(Cli.Folder, "missing.pem")));
    }

    [Theory]
    [InlineData(401, 5)]
    [InlineData(429, 3)]
    public async Task What_the_server_does_not_take_is_told_and_no_line_is_printed(int status, int exit)
    {
        _status = status;

        Assert.Equal(exit, await Cli.RunAsync("machine", "attest", "--identity", "host", "--token-file", Cli.Write("token", "x.y.z"), "--env"));

        Assert.Empty(Cli.Out.ToString());
        Assert.Contains("The token is not accepted.", Cli.Error.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("x.y.z", Cli.Error.ToString(), StringComparison.Ordinal);
    }
}
