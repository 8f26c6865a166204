using System.Text.Json.Serialization;
using Lanyard.Protocol.Audit;
using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runtime;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.OpenApi;

namespace Lanyard.Server.Http;

/// <summary>
/// <c>GET /openapi.json</c>: every route, from the code. <c>docs/openapi.json</c> is the same document; a test compares the two, and another walks
/// every route of it with foreign principals.
/// </summary>
internal static class OpenApiDocument
{
    public static IServiceCollection AddOpenApiDocument(this IServiceCollection services)
    {
        services.ConfigureHttpJsonOptions(static options =>
        {
            // A number is a number: the document says so because the readers do.
            options.SerializerOptions.NumberHandling = JsonNumberHandling.Strict;
            options.SerializerOptions.TypeInfoResolverChain.Add(ResourceJson.Default);
            options.SerializerOptions.TypeInfoResolverChain.Add(AuditJson.Default);
            options.SerializerOptions.TypeInfoResolverChain.Add(RuntimeJson.Default);
            options.SerializerOptions.TypeInfoResolverChain.Add(SubjectJson.Default);
        });
        return services.AddOpenApi("v1", static options =>
        {
            options.AddDocumentTransformer(static (document, _, _) =>
            {
                document.Info = new OpenApiInfo { Title = "Lanyard", Version = "v1" };
                document.Servers = [];
                return Task.CompletedTask;
            });
            options.AddOperationTransformer(DescribeProblems);
        });
    }

    public static void MapOpenApiDocument(this IEndpointRouteBuilder routes) =>
        routes.MapOpenApi("/openapi.json");

    /// <summary>Every operation but OAuth's tells its errors as a problem.</summary>
    private static async Task DescribeProblems(OpenApiOperation operation, OpenApiOperationTransformerContext context, CancellationToken cancellationToken)
    {
        if (context.Description.ActionDescriptor.EndpointMetadata.OfType<DialectMetadata>().Any(static dialect => dialect.Dialect != ErrorDialect.Problem))
        {
            return;
        }

        var document = context.Document!;
        if (document.Components?.Schemas?.ContainsKey(nameof(Problem)) != true)
        {
            document.AddComponent(nameof(Problem), await context.GetOrCreateSchemaAsync(typeof(Problem), null, cancellationToken));
        }

        operation.Responses ??= [];
        operation.Responses["default"] = new OpenApiResponse
        {
            Description = "A problem (RFC 9457)",
            Content = new Dictionary<string, OpenApiMediaType> { ["application/problem+json"] = new() { Schema = new OpenApiSchemaReference(nameof(Problem), document) } },
        };
    }
}
