using System.Data.Common;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Lanyard.Protocol.Resources;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Http;

/// <summary>A resource as its table keeps it. Columns, in this order: <c>id, slug, version, created, updated, spec</c>.</summary>
/// <param name="Version">From 1, one more with every change.</param>
internal sealed record ResourceRow<TSpec>(string Id, string Slug, long Version, DateTimeOffset Created, DateTimeOffset Updated, TSpec Spec)
{
    public string ETag => Precondition.ETagOf(Id, Version);

    public Resource<TSpec> ToResource(string kind, string? workspace = null, string? collection = null, JsonElement? status = null) =>
        new(kind, Id, Slug, workspace, collection, ETag, Created, Updated, Spec, status);
}

/// <summary>What a PUT did.</summary>
internal sealed record Put<TSpec>(ResourceRow<TSpec> Row, bool Created);

/// <summary>What the endpoints of every resource share.</summary>
internal static class ResourceAnswers
{
    public static ResourceRow<TSpec> ReadRow<TSpec>(DbDataReader row, JsonTypeInfo<TSpec> shape) => new(
        row.GetString(0),
        row.GetString(1),
        row.GetInt64(2),
        DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(3)),
        DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(4)),
        JsonSerializer.Deserialize(row.GetString(5), shape) ?? throw new JsonException("a stored spec is null"));

    /// <summary>A spec as it is stored, whatever it is; null where it is no JSON.</summary>
    public static JsonElement StoredSpec(string stored)
    {
        try
        {
            using var spec = JsonDocument.Parse(stored);
            return spec.RootElement.Clone();
        }
        catch (JsonException)
        {
            using var none = JsonDocument.Parse("null");
            return none.RootElement.Clone();
        }
    }

    /// <summary>200 or 201 with the ETag.</summary>
    public static IResult Answer<TSpec>(HttpContext context, Resource<TSpec> resource, JsonTypeInfo<Resource<TSpec>> shape, bool created = false)
    {
        context.Response.Headers.ETag = $"\"{resource.Etag}\"";
        return Results.Json(resource, shape, statusCode: created ? StatusCodes.Status201Created : StatusCodes.Status200OK);
    }

    /// <summary>What is wrong with an envelope that was sent back: it must be that of the path.</summary>
    public static List<Mistake> EnvelopeMistakes<TSpec>(
        ResourceWrite<TSpec> write, string kind, string slug, string? workspace = null, string? collection = null)
    {
        var mistakes = new List<Mistake>();
        if (!Http.Slug.IsValid(slug))
        {
            mistakes.Add(new Mistake("slug", Http.Slug.Rule));
        }

        Compare("kind", write.Kind, kind);
        Compare("slug", write.Slug, slug);
        Compare("workspace", write.Workspace, workspace);
        Compare("collection", write.Collection, collection);
        return mistakes;

        void Compare(string path, string? sent, string? wanted)
        {
            if (sent is not null && sent != wanted)
            {
                mistakes.Add(new Mistake(path, string.Create(CultureInfo.InvariantCulture, $"must be that of the path, {wanted ?? "none"}")));
            }
        }
    }
}
