using Lanyard.Server.Collections;
using Lanyard.Server.Http;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Lanyard.Server.Tests.Collections;

/// <summary>A server with a collection, in which definitions are written.</summary>
public abstract class DefinitionTestBase : IAsyncLifetime
{
    private protected const string Path = "/v1/workspaces/acme/collections/infra/definitions/plan";

    private protected TestServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await TestServer.StartAsync();
        await _server.MakeWorkspaceAsync("acme");
        await _server.MakeCollectionAsync("acme", "infra");
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private protected static string WithSubjects(string subjects, string chosen) =>
        $$$"""{"spec":{"audiences":[{"audience":"sts.amazonaws.com","subject":"{{{chosen}}}","subjects":{{{subjects}}}}],"steps":[{"name":"a","script":"true"}]}}""";

    private protected static string WithSubject(string subject) =>
        $$$"""{"spec":{"audiences":[{"audience":"sts.amazonaws.com","subject":"{{{subject}}}"}],"steps":[{"name":"a","script":"true"}]}}""";

    private protected void BeCollectionAdmin()
    {
        var collection = _server.Services.GetRequiredService<CollectionDirectory>().FindByPath("acme/infra")!;
        _server.Be("collection-admin", new RoleBinding(new Scope(collection.Workspace.Id, collection.Id), Role.Admin));
    }
}
