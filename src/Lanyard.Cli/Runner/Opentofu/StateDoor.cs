using System.Net;
using Lanyard.Cli.Runner.Server;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Lanyard.Cli.Runner.Opentofu;

/// <summary>
/// Hands the tool's calls about its state on to the server, in the attempt's name; the tool has nothing but the attempt's bearer. Calls that got no answer are made again for a while: a state that is not
/// saved is worse than one that is saved late.
/// </summary>
internal sealed class StateDoor(ControlPlane plane, AttemptKey key, TimeProvider time)
{
    private const int MaxBytes = 32 << 20;

    public async Task AnswerAsync(HttpContext context)
    {
        var request = context.Request;
        if (CallOf(request) is not { } call)
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }

        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = MaxBytes;
        }

        using var body = new MemoryStream();
        await request.Body.CopyToAsync(body, context.RequestAborted);
        var answer = await PatientCall.AskAsync(plane, time, call.Method, key, call.Path, body.ToArray(), context.RequestAborted);
        context.Response.StatusCode = StatusOf(call.Method, answer);
        if (answer is { Body.Length: > 0 })
        {
            context.Response.ContentType = answer.MediaType;
            context.Response.ContentLength = answer.Body.Length;
            await context.Response.Body.WriteAsync(answer.Body, context.RequestAborted);
        }
    }

    /// <summary>The tool takes nothing but 200 as the answer to a lock.</summary>
    private static int StatusOf(HttpMethod method, RawAnswer? answer) => answer switch
    {
        null => StatusCodes.Status503ServiceUnavailable,
        { Status: HttpStatusCode.NoContent } when method == HttpMethod.Post => StatusCodes.Status200OK,
        _ => (int)answer.Status,
    };

    private static (HttpMethod Method, string Path)? CallOf(HttpRequest request) => (request.Method, request.Path.Value) switch
    {
        ("GET", "/state") => (HttpMethod.Get, "state"),
        ("POST", "/state") => (HttpMethod.Post, request.Query["ID"] is [{ Length: > 0 } id] ? $"state?ID={Uri.EscapeDataString(id)}" : "state"),
        ("POST", "/state/lock") => (HttpMethod.Post, "state/lock"),
        ("POST", "/state/unlock") => (HttpMethod.Post, "state/unlock"),
        _ => null,
    };
}
