using System.Net;
using Lanyard.Identity;
using Lanyard.Server.Http;
using Lanyard.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Server.Tests.Http;

[Line("2.6")]
public sealed class EdgeTests : IAsyncLifetime
{
    private const string Secret = "hunter2-in-an-exception";

    private TestServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await TestServer.StartAsync(map: app =>
    {
        foreach (var dialect in Enum.GetValues<ErrorDialect>())
        {
            var group = app.MapGroup($"/{dialect}").WithDialect(dialect).ExcludeFromDescription();
            group.MapGet("/bug", string () => throw new InvalidOperationException(Secret));
            group.MapGet("/outage", string () => throw new Npgsql.NpgsqlException(Secret));
            group.MapGet("/no/{reason}", (RefusalReason reason) => new Refused(new Refusal(reason, Secret)));
            group.MapGet("/client", () => new Refused(new Refusal(RefusalReason.SignatureInvalid, Secret), clientAuthentication: true));
        }
    });

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task A_bug_is_a_500_that_leaks_nothing_in_every_dialect()
    {
        foreach (var dialect in Enum.GetValues<ErrorDialect>())
        {
            var answer = await _server.GetAsync($"/{dialect}/bug");

            Assert.Equal(HttpStatusCode.InternalServerError, answer.Status);
            Assert.DoesNotContain(Secret, answer.Body, StringComparison.Ordinal);
            Assert.DoesNotContain("Exception", answer.Body, StringComparison.Ordinal);
        }

        Assert.Equal("server_error", (await _server.GetAsync("/OAuth/bug")).Json.GetProperty("error").GetString());
    }

    [Fact]
    public async Task An_outage_of_the_database_is_a_503_that_says_when_to_come_again()
    {
        var answer = await _server.GetAsync("/Problem/outage");

        Assert.Equal((HttpStatusCode.ServiceUnavailable, "unavailable"), (answer.Status, answer.Problem));
        Assert.NotNull(answer.Headers.RetryAfter);
        Assert.DoesNotContain(Secret, answer.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_reason_has_one_fixed_answer_in_every_dialect_and_never_its_detail()
    {
        foreach (var reason in Enum.GetValues<RefusalReason>())
        {
            var problem = await _server.GetAsync($"/Problem/no/{reason}");
            var oauth = await _server.GetAsync($"/OAuth/no/{reason}");
            var kubernetes = await _server.GetAsync($"/Kubernetes/no/{reason}");

            Assert.Equal(RefusalText.NameOf(reason), problem.Problem);
            Assert.Equal(RefusalText.Of(reason), problem.Json.GetProperty("title").GetString());
            Assert.Equal(RefusalText.Of(reason), oauth.Json.GetProperty("error_description").GetString());
            Assert.Equal("Status", kubernetes.Json.GetProperty("kind").GetString());
            Assert.Equal((int)kubernetes.Status, kubernetes.Json.GetProperty("code").GetInt32());
            Assert.True(oauth.Headers.CacheControl!.NoStore);
            Assert.All([problem, oauth, kubernetes], answer => Assert.DoesNotContain(Secret, answer.Body, StringComparison.Ordinal));
            Assert.All([problem, oauth, kubernetes], answer => Assert.InRange((int)answer.Status, 400, 503));
        }
    }

    [Fact]
    public async Task A_bad_subject_token_is_invalid_request_and_a_bad_client_assertion_invalid_client()
    {
        var subject = await _server.GetAsync("/OAuth/no/SignatureInvalid");
        var client = await _server.GetAsync("/OAuth/client");
        var target = await _server.GetAsync("/OAuth/no/AudienceNotAllowed");

        Assert.Equal((400, "invalid_request"), ((int)subject.Status, subject.Json.GetProperty("error").GetString()));
        Assert.Equal((401, "invalid_client"), ((int)client.Status, client.Json.GetProperty("error").GetString()));
        Assert.Equal((400, "invalid_target"), ((int)target.Status, target.Json.GetProperty("error").GetString()));
    }

    [Fact]
    public async Task A_path_without_an_endpoint_and_a_wrong_method_are_problems_too()
    {
        var missing = await _server.GetAsync("/v1/nothing");
        var method = await _server.SendAsync(HttpMethod.Patch, "/v1/workspaces", "admin");

        Assert.Equal((HttpStatusCode.NotFound, "not-found"), (missing.Status, missing.Problem));
        Assert.Equal((HttpStatusCode.MethodNotAllowed, "method-not-allowed"), (method.Status, method.Problem));
    }

    [Fact]
    public async Task The_request_id_is_ours_and_stands_in_header_and_problem()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/nothing");
        request.Headers.Add("X-Request-Id", "chosen-by-the-caller");
        using var response = await _server.Client.SendAsync(request);

        var id = Assert.Single(response.Headers.GetValues("X-Request-Id"));
        Assert.True(Ids.TryParse(id, "req", out _));
        Assert.Contains(id, await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal("nosniff", Assert.Single(response.Headers.GetValues("X-Content-Type-Options")));
    }

    [Fact]
    public async Task Without_a_token_the_answer_is_401_and_names_the_scheme_without_an_error()
    {
        var answer = await _server.GetAsync("/v1/workspaces/acme", principal: null);

        Assert.Equal((HttpStatusCode.Unauthorized, "token-missing"), (answer.Status, answer.Problem));
        Assert.Equal("Bearer", answer.Headers.WwwAuthenticate.ToString());
    }

    [Theory]
    [InlineData("limit=0")]
    [InlineData("limit=501")]
    [InlineData("limit=x")]
    [InlineData("limit=-1")]
    public async Task A_page_of_an_odd_size_is_refused(string query) =>
        Assert.Equal(HttpStatusCode.BadRequest, (await _server.GetAsync($"/v1/workspaces?{query}")).Status);
}
