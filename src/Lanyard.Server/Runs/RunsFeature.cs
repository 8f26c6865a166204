using Lanyard.Protocol.Runs;
using Lanyard.Server.Http;
using Lanyard.Server.Runs.Opentofu;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Lanyard.Server.Runs;

/// <summary>
/// Owns runs, their attempts, steps and logs: <c>/v1/workspaces/{workspace}/collections/{collection}/runs</c> for people, and the run protocol under
/// <c>/v1/runner</c> for runners (<see cref="RunnerEndpoints"/>, <see cref="AttemptEndpoints"/>, <see cref="BatchEndpoint"/>,
/// <see cref="PodEndpoints"/>). The rules are <see cref="RunRules"/>, offers
/// <see cref="Dispatch"/>. What it tells others, through functions handed in where the server is put together: <see cref="AttemptLiveness"/> and
/// <see cref="RunIdentity"/>. It does not know issuers or the exchange: the runtime token is made by <see cref="MintRuntimeToken"/>.
/// </summary>
internal static class RunsFeature
{
    /// <exception cref="ArgumentException">The options are wrong; the message names every mistake.</exception>
    public static IServiceCollection AddRuns(this IServiceCollection services, RunsOptions options, Func<IServiceProvider, MintRuntimeToken> mint)
    {
        if (options.Validate() is { Count: > 0 } mistakes)
            throw new ArgumentException(string.Join("; ", mistakes), nameof(options));
        services.AddSingleton(options).AddSingleton(mint).AddSingleton<RunRules>();
        services.AddSingleton<RunMemory>().AddSingleton<OffersOut>().AddSingleton<RunStore>().AddSingleton<RunCaches>().AddSingleton<ClaimStore>().AddSingleton<RunQueries>();
        services.AddSingleton<AttemptLiveness>().AddSingleton<Dispatch>().AddSingleton<RunChanges>().AddSingleton<RunAudit>();
        services.AddSingleton(provider => new RunLogs(provider.GetRequiredService<Instance>().DataDirectory, options));
        services.AddSingleton<RunMetrics>().AddSingleton<QueueDepths>();
        services.AddSingleton<LogSignals>().AddSingleton<LogReading>().AddSingleton<LogTails>().AddSingleton<LogStream>();
        services.AddSingleton<SharedDefinitions>().AddSingleton<RunCreation>().AddSingleton<RunViews>().AddSingleton<RunIdentity>();
        services.AddSingleton<PodStore>().AddSingleton<PodCalls>().AddSingleton<AttemptNews>();
        services.AddSingleton<HoldAnswering>().AddSingleton<RunnerSessions>().AddSingleton<RunnerPolls>().AddSingleton<AttemptCalls>();
        services.AddSingleton<AttemptAnswering>().AddSingleton<BatchAnswering>();
        services.AddPlans();
        services.AddContent(Home.Collection, "runs", static id => $"select id as name from runs where collection = {id} and finished_at = 0");
        services.AddSingleton<EphemeralRunners>().AddSingleton<WhyQueries>().AddSingleton<WhyWaiting>();
        services.AddSingleton<RunSweeper>().AddSingleton<IHostedService>(provider => provider.GetRequiredService<RunSweeper>());
        return services;
    }

    public static void MapRuns(this IEndpointRouteBuilder routes)
    {
        var runs = routes.MapGroup("/v1/workspaces/{workspace}/collections/{collection}/runs").WithTags("Runs");
        runs.MapPost("", RunsEndpoints.CreateAsync).WithName("createRun").Accepts<CreateRun>("application/json")
            .Produces<RunView>(StatusCodes.Status201Created).Produces<RunView>();
        runs.MapGet("", RunsEndpoints.ListAsync).WithName("listRuns").Produces<RunList>();
        runs.MapGet("/{run}", RunsEndpoints.GetAsync).WithName("getRun").Produces<RunView>();
        runs.MapGet("/{run}/why", WhyEndpoints.GetAsync).WithName("whyRun").Produces<WhyView>();
        runs.MapPost("/{run}/cancel", RunsEndpoints.CancelAsync).WithName("cancelRun").Produces<RunView>();
        runs.MapGet("/{run}/logs", RunsEndpoints.LogsAsync).WithName("getRunLogs")
            .Produces(StatusCodes.Status200OK, contentType: "application/octet-stream").Produces(StatusCodes.Status204NoContent);
        runs.MapGet("/{run}/logs/stream", LogStream.GetAsync).WithName("streamRunLogs").WithMetadata(GoesOn.Instance).Produces(StatusCodes.Status200OK, contentType: "text/event-stream");
        routes.MapGet("/metrics", MetricsEndpoint.GetAsync).WithTags("Instance").WithName("metrics").Produces(StatusCodes.Status200OK, contentType: "text/plain");
        routes.MapPlans();
        MapRunner(routes.MapGroup("/v1/runner").WithTags("Runner"));
    }

    private static void MapRunner(RouteGroupBuilder runner)
    {
        runner.MapPost("/session", RunnerEndpoints.SessionAsync).WithName("openSession").Accepts<SessionRequest>("application/json").Produces<SessionResponse>();
        runner.MapPost("/poll", RunnerEndpoints.PollAsync).WithName("poll").Accepts<PollRequest>("application/json").Produces<PollResponse>();
        runner.MapPost("/heartbeat", RunnerEndpoints.HeartbeatAsync).WithName("heartbeat").Accepts<HeartbeatRequest>("application/json").Produces<HeartbeatResponse>();
        runner.MapPost("/calls", BatchEndpoint.PostAsync).WithName("callTogether").Accepts<BatchRequest>("application/json").Produces<BatchResponse>();

        var attempts = runner.MapGroup("/attempts/{run}/{attempt}");
        attempts.MapPost("/accept", AttemptEndpoints.AcceptAsync).WithName("acceptAttempt").Accepts<AcceptRequest>("application/json").Produces<AttemptPayload>();
        attempts.MapPost("/start", AttemptEndpoints.StartAsync).WithName("startAttempt").Accepts<StartRequest>("application/json").Produces<AttemptAnswer>();
        attempts.MapPut("/steps/{step}", AttemptEndpoints.StepAsync).WithName("reportStep").Accepts<StepReport>("application/json").Produces<AttemptAnswer>();
        attempts.MapPost("/log", AttemptEndpoints.LogAsync).WithName("appendLog").Accepts<byte[]>("application/octet-stream")
            .Produces<LogAppended>().Produces<LogAppended>(StatusCodes.Status416RangeNotSatisfiable);
        attempts.MapPut("/pod", PodEndpoints.PodAsync).WithName("putPod").Accepts<PodReport>("application/json").Produces<AttemptAnswer>();
        attempts.MapPost("/events", PodEndpoints.EventsAsync).WithName("addEvents").Accepts<EventsReport>("application/json").Produces<AttemptAnswer>();
        attempts.MapPost("/hold", PodEndpoints.HoldAsync).WithName("holdAttempt").Accepts<HoldRequest>("application/json").Produces<HoldAnswer>();
        attempts.MapPost("/end", AttemptEndpoints.EndAsync).WithName("endAttempt").Accepts<EndRequest>("application/json").Produces<AttemptAnswer>();
    }
}
