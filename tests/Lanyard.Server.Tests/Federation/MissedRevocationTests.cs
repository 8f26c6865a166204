using System.Net;
using Lanyard.Identity.Tokens;
using Lanyard.Server.Storage;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Federation;

/// <summary>A revocation of which a replica was never told: it is read when messages may have been lost, however often that fails at first.</summary>
[Needs("postgres")]
[Line("6.5")]
public sealed class MissedRevocationTests : TwoDoors
{
    [Fact]
    public async Task Revocations_that_could_not_be_read_after_a_lost_connection_are_read_when_the_database_lets_them()
    {
        var token = (await Second.ExchangeAsync("/token", Mint("one"))).Json["access_token"]!.GetValue<string>();
        Assert.Equal(HttpStatusCode.OK, (await Second.GetAsync(Collections, token)).Status);
        Assert.True(UnverifiedToken.Parse(token).Value.Claims.TryGetString("jti", out var id));
        var database = First.Database;
        await database.ExecuteAsync($"insert into revoked_tokens (jti, until) values ({id}, {DateTimeOffset.MaxValue})");

        // Every look fails, and a sequence tells that there was one: it is not rolled back.
        await database.ExecuteAsync($"create sequence looks");
        await database.ExecuteAsync($"alter table revoked_tokens rename to revoked_away");
        await database.ExecuteAsync(
            $"create function look() returns bigint language plpgsql as 'begin perform nextval(''looks''); raise exception ''away''; end'");
        await database.ExecuteAsync($"create view revoked_tokens as select jti, until from revoked_away where look() > 0");
        await database.QueryAsync(
            $"select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query = {"listen lanyard"}", static _ => 0);
        await Eventually.HoldsAsync(async () => await database.ScalarAsync($"select last_value from looks") >= 2, "both replicas have looked in vain");
        Assert.Equal(HttpStatusCode.OK, (await Second.GetAsync(Collections, token)).Status);

        await database.ExecuteAsync($"drop view revoked_tokens");
        await database.ExecuteAsync($"alter table revoked_away rename to revoked_tokens");
        await Eventually.HoldsAsync(async () => (await Second.GetAsync(Collections, token)).Status == HttpStatusCode.Unauthorized, "the revoked token is refused");
        await Eventually.HoldsAsync(async () => (await First.GetAsync(Collections, token)).Status == HttpStatusCode.Unauthorized, "and by the first replica");
    }

    /// <summary>The relay's doubt is shown to come within a second in its own tests; this is what becomes of it.</summary>
    [Theory]
    [Line("5.8")]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_replica_that_is_not_certain_to_hear_reads_what_is_revoked(bool isPrincipal)
    {
        var token = (await Second.ExchangeAsync("/token", Mint("one"))).Json["access_token"]!.GetValue<string>();
        Assert.Equal(HttpStatusCode.OK, (await Second.GetAsync(Collections, token)).Status);
        Assert.True(UnverifiedToken.Parse(token).Value.Claims.TryGetString("jti", out var id));
        await First.Database.ExecuteAsync(isPrincipal
            ? (Sql)$"insert into revocations (id, workspace, kind, value, reason, created_at, until) values ('rev_1', null, 'principal', 'policy:ci:one', null, 0, null)"
            : $"insert into revoked_tokens (jti, until) values ({id}, {DateTimeOffset.MaxValue})");
        Assert.Equal(HttpStatusCode.OK, (await Second.GetAsync(Collections, token)).Status);

        Second.Database.Notifications.Doubt();

        await Eventually.HoldsAsync(async () => (await Second.GetAsync(Collections, token)).Status == HttpStatusCode.Unauthorized, "it is refused");
    }
}
