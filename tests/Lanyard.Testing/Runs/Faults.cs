using Microsoft.AspNetCore.Http;

namespace Lanyard.Testing.Runs;

/// <summary>What goes wrong with a call to a <see cref="FakeControlPlane"/>.</summary>
internal static class Faults
{
    /// <param name="stopped">Ends what hangs.</param>
    public static async Task CallAsync(HttpContext context, Fault fault, Func<HttpContext, Task> handle, CancellationToken stopped)
    {
        switch (fault)
        {
            case Fault.LoseCall:
                context.Abort();
                return;
            case Fault.LoseAnswer:
                context.Response.Body = new MemoryStream();
                await handle(context);
                context.Abort();
                return;
            case Fault.Hang:
                using (var both = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopped))
                {
                    await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, both.Token).ContinueWith(_ => { }, TaskScheduler.Default);
                }

                return;
            case Fault.Unavailable:
                context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
                return;
            case Fault.Stale:
                context.Response.StatusCode = StatusCodes.Status409Conflict;
                return;
            case Fault.Over:
                context.Response.StatusCode = StatusCodes.Status410Gone;
                return;
            default:
                await handle(context);
                return;
        }
    }
}
