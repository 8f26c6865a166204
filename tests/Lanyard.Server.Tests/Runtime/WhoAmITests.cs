using System.Net;
using Lanyard.Server.Http;
using Lanyard.Server.Tests.Cache;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runtime;

[Line("4.2")]
public sealed class WhoAmITests : IAsyncLifetime
{
    private CacheServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await CacheServer.StartAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task A_machine_is_told_what_it_is_and_what_it_may_reach()
    {
        var machine = await _server.MachineAsync(gitRef: "refs/heads/x", more: ""","defaultRef":"refs/heads/main","cacheMode":"read" """);

        var answer = await _server.Server.GetAsync("/runtime/whoami", machine);

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal(("machine", machine, "demo/app", "refs/heads/x"), (Text("kind"), Text("id"), Text("repository"), Text("ref")));
        Assert.Equal(
            """[{"scope":"refs/heads/x","permission":"read"},{"scope":"refs/heads/main","permission":"read"}]""", answer.Json.GetProperty("scopes").GetRawText());

        string? Text(string name) => answer.Json.GetProperty(name).GetString();
    }

    [Fact]
    public async Task A_machine_that_was_deleted_is_a_401_everywhere_at_once()
    {
        var machine = await _server.MachineAsync();
        await _server.SaveAsync(machine, "k");
        await _server.Server.DeleteAsync($"/v1/workspaces/acme/machines/{machine}");

        var who = await _server.Server.GetAsync("/runtime/whoami", machine);
        var cache = await _server.LookUpAsync(machine, "k");
        var first = await _server.Server.GetAsync($"/runtime/cache/_apis/artifactcache/cache?keys=k&version={CacheServer.Version}", machine);

        Assert.Equal((HttpStatusCode.Unauthorized, "subject-ended"), (who.Status, who.Problem));
        Assert.Equal((HttpStatusCode.Unauthorized, "unauthenticated"), (cache.Status, cache.Json.GetProperty("code").GetString()));
        Assert.Equal((HttpStatusCode.Unauthorized, "application/json"), (first.Status, first.MediaType));
    }

    [Fact]
    public async Task Who_is_no_run_and_no_machine_has_no_business_here()
    {
        _server.Server.Be("person", new RoleBinding(Scope.Instance, Role.Admin));

        var answer = await _server.Server.GetAsync("/runtime/whoami", "person");
        var nobody = await _server.Server.GetAsync("/runtime/whoami", null);

        Assert.Equal((HttpStatusCode.Unauthorized, "token-type-not-allowed"), (answer.Status, answer.Problem));
        Assert.Equal((HttpStatusCode.Unauthorized, "token-missing"), (nobody.Status, nobody.Problem));
    }
}
