using Lanyard.Protocol.Resources;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Lanyard.Server.Collections;

/// <summary>
/// Owns collections, the walls inside a workspace (<c>/v1/workspaces/{workspace}/collections/{collection}</c>), and definitions, what can be run in
/// them (<c>…/definitions/{definition}</c>). A definition's id is also a UUID that may be given at creation. It does not know runs:
/// a run keeps a snapshot of its definition.
/// </summary>
internal static class CollectionsFeature
{
    public const string CollectionKind = "Collection";
    public const string DefinitionKind = "Definition";

    public static IServiceCollection AddCollections(this IServiceCollection services)
    {
        services.AddSingleton<CollectionDirectory>();
        services.AddSingleton<CollectionStore>();
        services.AddSingleton<DefinitionStore>();
        services.AddSingleton<SubjectUses>().AddSingleton<IHostedService>(provider => provider.GetRequiredService<SubjectUses>());
        services.AddSingleton<SubjectPreview>();
        services.AddContent(Home.Workspace, "collections", static id => $"select slug as name from collections where workspace = {id}");
        services.AddContent(Home.Collection, "definitions", static id => $"select slug as name from definitions where collection = {id}");
        return services;
    }

    public static void MapCollections(this IEndpointRouteBuilder routes)
    {
        var collections = routes.MapGroup("/v1/workspaces/{workspace}/collections").WithTags("Collections");
        collections.MapGet("", CollectionEndpoints.ListAsync).WithName("listCollections").Produces<ResourceList<CollectionSpec>>();
        collections.MapGet("/{collection}", CollectionEndpoints.GetAsync).WithName("getCollection").Produces<Resource<CollectionSpec>>();
        collections.MapPut("/{collection}", CollectionEndpoints.PutAsync).WithName("putCollection")
            .Accepts<ResourceWrite<CollectionSpec>>("application/json")
            .Produces<Resource<CollectionSpec>>().Produces<Resource<CollectionSpec>>(StatusCodes.Status201Created);
        collections.MapDelete("/{collection}", CollectionEndpoints.DeleteAsync).WithName("deleteCollection").Produces(StatusCodes.Status204NoContent);

        var definitions = collections.MapGroup("/{collection}/definitions").WithTags("Definitions");
        definitions.MapGet("", DefinitionEndpoints.ListAsync).WithName("listDefinitions").Produces<ResourceList<DefinitionSpec>>();
        definitions.MapGet("/{definition}", DefinitionEndpoints.GetAsync).WithName("getDefinition").Produces<Resource<DefinitionSpec>>();
        definitions.MapPut("/{definition}", DefinitionEndpoints.PutAsync).WithName("putDefinition")
            .Accepts<ResourceWrite<DefinitionSpec>>("application/json")
            .Produces<Resource<DefinitionSpec>>().Produces<Resource<DefinitionSpec>>(StatusCodes.Status201Created);
        definitions.MapGet("/{definition}/subjects", SubjectEndpoints.ListAsync).WithName("previewSubjects").Produces<SubjectList>();
        definitions.MapDelete("/{definition}", DefinitionEndpoints.DeleteAsync).WithName("deleteDefinition").Produces(StatusCodes.Status204NoContent);
    }
}
