using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Runners;

/// <summary>
/// Judges that an assertion was signed, for this instance and just now, by the very key that is sent with it; handed in where the server is put
/// together. Answers the key's RFC 7638 thumbprint, after which it is called.
/// </summary>
/// <param name="publicJwk">As it was sent, not trusted.</param>
internal delegate ValueTask<Outcome<string>> JudgeRunnerKey(string publicJwk, string assertion, CancellationToken cancellationToken);

/// <summary>
/// Hosts with a key of their own ask here, once and then until they were approved. Nobody has vouched for them yet, so everything is bounded: the
/// number of requests, their age, and how often an address may ask.
/// </summary>
internal static class RunnerRequestEndpoints
{
    public const int MostRequests = 500;
    private const int MaxBodyBytes = 4096;
    private static readonly TimeSpan Life = TimeSpan.FromHours(1);

    public static async Task<IResult> RequestAsync(HttpContext context, RunnerParts parts, JudgeRunnerKey judge, RequestBudget budget)
    {
        if (!budget.TryTake(context.Connection.RemoteIpAddress))
            return new Refused(new Refusal(RefusalReason.TooManyRequests, $"{context.Connection.RemoteIpAddress} asks too often"));
        if (!(await StrictJson.ReadAsync(context.Request, RunnerJson.Default.RunnerRegistration, MaxBodyBytes)).TryGet(out var asked, out var refused))
            return refused;
        if (Check(asked) is { Count: > 0 } mistakes)
            return Refused.Malformed(mistakes);
        var jwk = JsonSerializer.Serialize(asked.PublicKey, ResourceJson.Default.JsonElement);
        var judged = Bearer(context) is { } assertion
            ? await judge(jwk, assertion, context.RequestAborted)
            : new Refusal(RefusalReason.TokenMissing, "no assertion as the bearer");
        if (!judged.TryGet(out var thumbprint, out var refusal))
        {
            // Whoever comes so far has proven to have that very key: a stranger can't fill the audit with this.
            if (refusal.Reason == RefusalReason.Revoked)
                await parts.Audit.RecordAsync(AuditEvent.Of(context, "runner.request") with { Refusal = refusal });
            return new Refused(refusal);
        }

        if (await parts.Store.FindByKeyAsync(thumbprint, context.RequestAborted) is not null)
            return Answer(thumbprint, RegistrationStates.Approved);
        var now = parts.Time.GetUtcNow();
        var request = new RunnerRequest(thumbprint, jwk, asked.Name, asked.Hostname, now.ToUnixTimeMilliseconds(), (now + Life).ToUnixTimeMilliseconds());
        var about = AuditEvent.Of(context, "runner.request") with { Target = thumbprint };
        return (await parts.Requests.AddAsync(request, MostRequests, now.ToUnixTimeMilliseconds(), about, context.RequestAborted)).TryGet(out _, out refusal)
            ? Answer(thumbprint, RegistrationStates.Pending)
            : new Refused(refusal);
    }

    public static async Task<IResult> ListAsync(HttpContext context, RunnerParts parts)
    {
        if (!Access.Require(Access.PrincipalOf(context), null, null, Right.Administer).TryGet(out _, out var refusal))
            return new Refused(refusal);
        var requests = await parts.Requests.ListAsync(parts.Time.GetUtcNow().ToUnixTimeMilliseconds(), context.RequestAborted);
        return Results.Json(
            new RunnerRequestList([.. requests.Select(r => new RunnerRequestView(
                r.Fingerprint, r.Name, r.Hostname, RegistrationStates.Pending, DateTimeOffset.FromUnixTimeMilliseconds(r.Requested),
                DateTimeOffset.FromUnixTimeMilliseconds(r.Expires)))]),
            ResourceJson.Default.RunnerRequestList);
    }

    /// <summary>
    /// Makes the host a runner. Whoever knows the fingerprint has it from the host; the right asked for is that of putting the runner: the workspace's
    /// where all its collections are of one, else the instance's.
    /// </summary>
    public static async Task<IResult> ApproveAsync(string fingerprint, HttpContext context, RunnerParts parts)
    {
        var principal = Access.PrincipalOf(context);
        if (principal is null)
            return new Refused(new Refusal(RefusalReason.TokenMissing, "no bearer token"));
        if (!principal.Roles.Any(r => r.Role == Role.Admin && r.Scope.CollectionId is null))
            return new Refused(Access.Missing($"{principal.Name} administers nothing that has runners"));
        if (!(await StrictJson.ReadAsync(context.Request, ResourceJson.Default.ApproveRunner)).TryGet(out var approval, out var refused))
            return refused;
        var homes = approval.Collections.Select(c => c.Split('/')[0]).Distinct(StringComparer.Ordinal).ToArray();
        var shared = approval.Shared == true || homes.Length != 1;
        var place = shared
            ? Access.Require(principal, null, null, Right.Administer).TryGet(out _, out var refusal) ? new RunnerPlace(null) : (Outcome<RunnerPlace>)refusal
            : (await parts.Workspaces.RequireAsync(principal, homes[0], Right.Administer)).TryGet(out var home, out refusal) ? new RunnerPlace(home) : refusal;
        if (!place.TryGet(out var where, out refusal))
            return new Refused(refusal);
        var now = parts.Time.GetUtcNow().ToUnixTimeMilliseconds();
        if (!RunnerRules.IsThumbprint(fingerprint) || await parts.Requests.FindAsync(fingerprint, now, context.RequestAborted) is not { } request)
            return new Refused(Access.Missing("no host with this key has asked"));
        return await PutAsync(context, parts, where, request, approval);
    }

    private static async Task<IResult> PutAsync(HttpContext context, RunnerParts parts, RunnerPlace place, RunnerRequest request, ApproveRunner approval)
    {
        var slug = approval.Name ?? request.Name;
        var spec = new RunnerSpec(approval.Collections, new(KeyThumbprint: request.Fingerprint), approval.Labels, Ephemeral: approval.Ephemeral);
        var mistakes = new List<Mistake>();
        if (!Slug.IsValid(slug))
            mistakes.Add(new("name", Slug.Rule));
        RunnerRules.Check(spec, mistakes);
        if (mistakes.Count > 0)
            return Refused.Malformed(mistakes);
        var about = AuditEvent.Of(context, "runner.approve") with
        {
            Details = new Dictionary<string, string>(StringComparer.Ordinal) { ["fingerprint"] = request.Fingerprint, ["hostname"] = request.Hostname },
        };
        var put = await parts.Writing.PutAsync(place.Workspace, slug, spec, Precondition.OnlyNew, mistakes, about, context.RequestAborted);
        if (mistakes.Count > 0)
            return Refused.Malformed(mistakes);
        if (!put.TryGet(out var done, out var refusal))
            return Refused.Told(refusal);
        return ResourceAnswers.Answer(
            context, await RunnerResourceEndpoints.ToResourceAsync(done.Runner, place, parts, context.RequestAborted), ResourceJson.Default.ResourceRunnerSpec, true);
    }

    private static IResult Answer(string thumbprint, string state) =>
        Results.Json(new RunnerRegistrationAnswer(thumbprint, state), RunnerJson.Default.RunnerRegistrationAnswer);

    private static string? Bearer(HttpContext context)
    {
        var header = context.Request.Headers.Authorization.ToString();
        return header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) ? header["Bearer ".Length..] : null;
    }

    private static List<Mistake> Check(RunnerRegistration asked)
    {
        var mistakes = new List<Mistake>();
        if (asked.PublicKey.ValueKind != JsonValueKind.Object)
            mistakes.Add(new("publicKey", "must be a JWK"));
        if (!Slug.IsValid(asked.Name))
            mistakes.Add(new("name", Slug.Rule));
        if (asked.Hostname.Length is 0 or > 253 || asked.Hostname.Any(c => c is <= ' ' or > '~'))
            mistakes.Add(new("hostname", "must be 1 to 253 printable ASCII characters"));
        return mistakes;
    }
}

/// <summary>How often an address may call a door that is open to everybody: 60 times a minute.</summary>
internal sealed class RequestBudget(TimeProvider time)
{
    private const int PerMinute = 60;
    private const int MostAddresses = 10_000;
    private readonly ConcurrentDictionary<IPAddress, int> _calls = new();
    private long _minute;

    public bool TryTake(IPAddress? address)
    {
        var minute = time.GetUtcNow().ToUnixTimeSeconds() / 60;
        if (Interlocked.Exchange(ref _minute, minute) != minute)
            _calls.Clear();
        var key = address ?? IPAddress.None;
        if (_calls.Count >= MostAddresses && !_calls.ContainsKey(key))
            return false;
        return _calls.AddOrUpdate(key, 1, static (_, calls) => calls + 1) <= PerMinute;
    }
}
