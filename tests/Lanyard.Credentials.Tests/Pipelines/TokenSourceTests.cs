using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Credentials.Tests.Pipelines;

/// <summary>Where each CI puts a job's token, found by itself.</summary>
[Line("6.9")]
public sealed class TokenSourceTests
{
    private readonly StringWriter _output = new();
    private readonly StringWriter _diagnosis = new();
    private readonly Dictionary<string, string?> _environment = [];

    [Theory]
    [InlineData("CIRCLE_OIDC_TOKEN_V2", "circleci")]
    [InlineData("SPACELIFT_OIDC_TOKEN", "spacelift")]
    [InlineData("TFC_WORKLOAD_IDENTITY_TOKEN", "terraform")]
    [InlineData("LANYARD_ID_TOKEN", "gitlab")]
    [InlineData("BITBUCKET_STEP_OIDC_TOKEN", "bitbucket")]
    public async Task A_variable_that_the_CI_sets_is_found_by_itself_and_by_name(string variable, string source)
    {
        _environment[variable] = "eyJh.e30.c2ln";
        Assert.Equal(0, await RunAsync());
        Assert.Contains("eyJh.e30.c2ln", _output.ToString(), StringComparison.Ordinal);
        Assert.Equal(0, await RunAsync("--token-source", source));

        _environment[variable] = "";
        Assert.Equal(ExitCodes.NoIdentity, await RunAsync("--token-source", source));
        Assert.Equal(ExitCodes.Usage, await RunAsync());
    }

    [Fact]
    public async Task Azure_DevOps_is_asked_for_the_token_of_its_service_connection()
    {
        await using var azure = await TestIssuer.StartAsync();
        azure.OnRequest = async context =>
        {
            if (context.Request.Method != "POST" || context.Request.QueryString.Value != "?api-version=7.1&serviceConnectionId=1-2%203" || context.Request.Headers.Authorization != "Bearer job-token") return false;
            await context.Response.WriteAsync("""{"oidcToken":"eyJh.e30.c2ln"}""");
            return true;
        };
        (_environment["SYSTEM_OIDCREQUESTURI"], _environment["SYSTEM_ACCESSTOKEN"], _environment["ARM_ADO_PIPELINE_SERVICE_CONNECTION_ID"]) = (azure.Issuer + "/oidctoken", "job-token", "1-2 3");

        Assert.Equal(0, await RunAsync());
        Assert.Contains("eyJh.e30.c2ln", _output.ToString(), StringComparison.Ordinal);
        _environment["SYSTEM_ACCESSTOKEN"] = "another";
        Assert.Equal(ExitCodes.Refused, await RunAsync());
        _environment["SYSTEM_OIDCREQUESTURI"] = "http://dev.azure.example/oidctoken";
        Assert.Equal(ExitCodes.NoIdentity, await RunAsync());
        _environment["SYSTEM_ACCESSTOKEN"] = null;
        Assert.Equal(ExitCodes.NoIdentity, await RunAsync());
        Assert.DoesNotContain("another", _diagnosis.ToString(), StringComparison.Ordinal);
    }

    private Task<int> RunAsync(params string[] more) => CredentialsProgram.RunAsync(["credential", "kube", "--audience", "a", .. more], _environment.GetValueOrDefault, _output, _diagnosis);
}
