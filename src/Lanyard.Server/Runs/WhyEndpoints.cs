using Lanyard.Protocol.Runs;
using Lanyard.Server.Collections;
using Lanyard.Server.Http;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Runs;

/// <summary>Why a run is where it is, for whoever may read it.</summary>
internal static class WhyEndpoints
{
    public static async Task<IResult> GetAsync(
        string workspace, string collection, string run, HttpContext context, CollectionDirectory directory, RunQueries queries, WhyWaiting why)
    {
        if (!(await RunsEndpoints.FindAsync(directory, queries, context, workspace, collection, run, Right.Read)).TryGet(out var listed, out var refusal))
            return new Refused(refusal);
        return Results.Json(await why.TellAsync(listed, context.RequestAborted), RunsJson.Default.WhyView);
    }
}
