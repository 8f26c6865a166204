using System.Data.Common;
using Lanyard.Identity;
using Lanyard.Server.Audit;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Runners;

/// <summary>The SQL of host keys that ask to become a runner: few, and gone when nobody approves them in time.</summary>
internal sealed class RunnerRequestStore(Database database, AuditLog audit)
{
    /// <summary>Keeps a request; a repeated one is the same, whatever it says.</summary>
    /// <param name="about">What the audit says of one that is new.</param>
    /// <returns>Whether it is new; or TooManyRequests when there are <paramref name="most"/> already.</returns>
    public Task<Outcome<bool>> AddAsync(RunnerRequest request, int most, long now, AuditEvent about, CancellationToken cancellationToken) =>
        audit.ChangeAsync<bool>(
            async transaction =>
            {
                await transaction.ExecuteAsync($"delete from runner_requests where expires <= {now}");
                if (await transaction.ScalarAsync($"select count(*) from runner_requests where fingerprint = {request.Fingerprint}") > 0)
                    return false;
                if (await transaction.ScalarAsync($"select count(*) from runner_requests") >= most)
                    return new Refusal(RefusalReason.TooManyRequests, $"{most} requests wait already");
                return await transaction.ExecuteAsync(
                    $"""
                    insert into runner_requests (fingerprint, public_jwk, name, hostname, requested, expires)
                    values ({request.Fingerprint}, {request.PublicJwk}, {request.Name}, {request.Hostname}, {request.Requested}, {request.Expires})
                    on conflict (fingerprint) do nothing
                    """) == 1;
            },
            isNew => isNew ? about : null,
            cancellationToken);

    public Task<RunnerRequest?> FindAsync(string fingerprint, long now, CancellationToken cancellationToken) =>
        database.QuerySingleOrNullAsync(
            $"select fingerprint, public_jwk, name, hostname, requested, expires from runner_requests where fingerprint = {fingerprint} and expires > {now}",
            Read,
            cancellationToken);

    public Task<List<RunnerRequest>> ListAsync(long now, CancellationToken cancellationToken) =>
        database.QueryAsync(
            $"select fingerprint, public_jwk, name, hostname, requested, expires from runner_requests where expires > {now} order by requested",
            Read,
            cancellationToken);

    private static RunnerRequest Read(DbDataReader row) => new(
        row.GetString(0), row.GetString(1), row.GetString(2), row.GetString(3), row.GetInt64(4), row.GetInt64(5));
}
