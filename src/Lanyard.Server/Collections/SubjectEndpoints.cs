using Lanyard.Identity.Trust;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Http;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Collections;

/// <summary><c>GET …/definitions/{definition}/subjects</c>: <c>lanyard subject preview</c>, and whether an old template is still used.</summary>
internal static class SubjectEndpoints
{
    private static readonly string[] Sayable = ["runner", "phase", "environment", "repository", "ref", "actor", "step", "consumer_workspace", "consumer_collection"];

    public static async Task<IResult> ListAsync(
        string workspace, string collection, string definition, HttpContext context, CollectionDirectory directory, CollectionStore collections, DefinitionStore store,
        SubjectPreview preview)
    {
        var cancellation = context.RequestAborted;
        if (!(await directory.RequireAsync(Access.PrincipalOf(context), workspace, collection, Right.Read)).TryGet(out var entry, out var refusal))
            return new Refused(refusal);
        if (await store.FindAsync(entry.Id, definition) is not { } row) return new Refused(Access.Missing($"no definition {entry.Path}/{definition}"));
        if (Said(context.Request.Query, out var mistakes) is not { } said) return Refused.Malformed(mistakes);
        var cloud = (await collections.FindAsync(entry.Id))?.Spec.Cloud;
        return Results.Json(await preview.MakeAsync(entry, row, cloud, said, cancellation), SubjectJson.Default.SubjectList);
    }

    private static Dictionary<string, string?>? Said(IQueryCollection query, out List<Mistake> mistakes)
    {
        mistakes = [];
        var said = new Dictionary<string, string?>(StringComparer.Ordinal);
        foreach (var (name, values) in query)
        {
            if (!Sayable.Contains(name, StringComparer.Ordinal)) mistakes.Add(new Mistake(name, $"is none of {string.Join(", ", Sayable)}"));
            else if (values.Count != 1 || !ContextMapping.IsWord(values[0]!)) mistakes.Add(new Mistake(name, "must be one word of printable ASCII without blanks, colons, quotes and backslashes"));
            else said[name] = values[0];
        }

        return mistakes.Count == 0 ? said : null;
    }
}
