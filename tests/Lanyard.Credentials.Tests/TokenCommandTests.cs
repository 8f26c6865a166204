using System.Text.Json;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Credentials.Tests;

[Line("2.10")]
public sealed class TokenCommandTests : IAsyncLifetime
{
    private const string Token = "eyJh.eyJleHAiOjE3MDAwMDAwMDB9.c2ln";
    private readonly StringWriter _output = new();
    private readonly StringWriter _diagnosis = new();
    private readonly Dictionary<string, string?> _environment = [];
    private TokenEndpointDouble _endpoint = null!;

    public async ValueTask InitializeAsync()
    {
        _endpoint = await TokenEndpointDouble.StartAsync();
        _environment["ACTIONS_ID_TOKEN_REQUEST_URL"] = _endpoint.Url + "/token?run=run_1";
        _environment["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = "the-bearer";
    }

    public ValueTask DisposeAsync() => _endpoint.DisposeAsync();

    [Fact]
    public async Task The_token_alone_is_printed_and_the_audience_reaches_the_endpoint_escaped()
    {
        var exitCode = await RunAsync("token", "--audience", "https://sts.example/a&b c");

        Assert.Equal(ExitCodes.Done, exitCode);
        Assert.Equal(Token + Environment.NewLine, _output.ToString());
        Assert.Equal("?run=run_1&audience=https%3A%2F%2Fsts.example%2Fa%26b%20c", _endpoint.SeenQuery);
        Assert.Equal("Bearer the-bearer", _endpoint.SeenAuthorization);
    }

    [Fact]
    [Line("2.10")]
    public async Task Another_subject_template_is_asked_for_by_its_name()
    {
        Assert.Equal(ExitCodes.Done, await RunAsync("token", "--subject=coarse", "--audience", "aws"));
        Assert.Equal("?run=run_1&audience=aws&subject=coarse", _endpoint.SeenQuery);
    }

    [Fact]
    public async Task Without_an_audience_the_endpoint_chooses_the_default()
    {
        Assert.Equal(ExitCodes.Done, await RunAsync("token"));
        Assert.Equal("?run=run_1", _endpoint.SeenQuery);
    }

    [Fact]
    public async Task Json_says_when_the_token_ends()
    {
        Assert.Equal(ExitCodes.Done, await RunAsync("token", "--audience=x", "--format=json"));

        using var printed = JsonDocument.Parse(_output.ToString());
        Assert.Equal(Token, printed.RootElement.GetProperty("token").GetString());
        Assert.Equal(1_700_000_000, printed.RootElement.GetProperty("exp").GetInt64());
    }

    [Theory]
    [InlineData()]
    [InlineData("tokens")]
    [InlineData("token", "x")]
    [InlineData("token", "--audience")]
    [InlineData("token", "--subject")]
    [InlineData("token", "--subject", "a", "--subject", "b")]
    [InlineData("token", "--audience", "")]
    [InlineData("token", "--audience=")]
    [InlineData("token", "--audience", "a", "--audience", "b")]
    [InlineData("token", "--format", "yaml")]
    [InlineData("token", "--Audience", "a")]
    public async Task Wrong_usage_asks_for_nothing_and_exits_with_2(params string[] args)
    {
        Assert.Equal(ExitCodes.Usage, await RunAsync(args));
        Assert.Equal(0, _endpoint.Calls);
        Assert.Empty(_output.ToString());
        Assert.Contains("usage:", _diagnosis.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_mistyped_option_is_named_and_an_endpoint_that_is_gone_is_told_without_a_name_of_our_code()
    {
        Assert.Equal(ExitCodes.Usage, await RunAsync("token", "--audiance", "x"));
        Assert.Contains("unknown option --audiance", _diagnosis.ToString(), StringComparison.Ordinal);
        await _endpoint.DisposeAsync();

        Assert.Equal(ExitCodes.Unreachable, await RunAsync("token", "--audience", "x"));
        Assert.Contains("could not be reached: Connection refused", _diagnosis.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ACTIONS_ID_TOKEN_REQUEST_URL", null)]
    [InlineData("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "")]
    [InlineData("ACTIONS_ID_TOKEN_REQUEST_URL", "http://192.0.2.7/token?x=1")]
    [InlineData("ACTIONS_ID_TOKEN_REQUEST_URL", "file:///etc/passwd")]
    [InlineData("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "a\r\nHost: b")]
    public async Task An_environment_without_a_usable_identity_exits_with_3(string name, string? value)
    {
        _environment[name] = value;

        Assert.Equal(ExitCodes.NoIdentity, await RunAsync("token", "--audience", "x"));
        Assert.Equal(0, _endpoint.Calls);
        Assert.Empty(_output.ToString());
    }

    [Fact]
    public async Task A_refusal_is_told_on_one_line_and_exits_with_1()
    {
        _endpoint.Status = 403;
        _endpoint.Body = """{"message":"not\u001b[31m for you"}""";

        Assert.Equal(ExitCodes.Refused, await RunAsync("token", "--audience", "x"));
        Assert.Empty(_output.ToString());
        Assert.Contains("403: not [31m for you", _diagnosis.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("the-bearer", _diagnosis.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_bearer_follows_no_redirect()
    {
        await using var other = await TokenEndpointDouble.StartAsync();
        _endpoint.Status = 302;
        _endpoint.Location = other.Url + "/token";

        Assert.Equal(ExitCodes.Refused, await RunAsync("token", "--audience", "x"));
        Assert.Equal(0, other.Calls);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{\"value\":7}")]
    [InlineData("{\"value\":\"a\\nb\"}")]
    public async Task An_answer_without_a_token_prints_nothing_and_exits_with_4(string body)
    {
        _endpoint.Body = body;

        Assert.Equal(ExitCodes.Unreachable, await RunAsync("token", "--audience", "x"));
        Assert.Empty(_output.ToString());
    }

    [Fact]
    public async Task An_endpoint_that_is_gone_exits_with_4()
    {
        await _endpoint.DisposeAsync();

        Assert.Equal(ExitCodes.Unreachable, await RunAsync("token", "--audience", "x"));
    }

    [Fact]
    public async Task An_endless_answer_is_cut_off()
    {
        _endpoint.Body = new string(' ', 1024 * 1024);

        Assert.Equal(ExitCodes.Unreachable, await RunAsync("token", "--audience", "x"));
    }

    private Task<int> RunAsync(params string[] args) => CredentialsProgram.RunAsync(args, _environment.GetValueOrDefault, _output, _diagnosis);
}
