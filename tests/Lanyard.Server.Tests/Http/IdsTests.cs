using FsCheck;
using FsCheck.Fluent;
using Lanyard.Server.Http;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Http;

[Line("2.6")]
public sealed class IdsTests
{
    [Fact]
    public void Any_uuid_becomes_an_id_and_back()
    {
        Prop.ForAll<Guid>(uuid =>
        {
            var id = Ids.FromUuid("def", uuid);
            return Ids.TryParse(id, "def", out var back) && back == uuid && Ids.ToUuid(id) == uuid.ToString("D");
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Ids_sort_as_their_times_do()
    {
        var ids = Enumerable.Range(0, 50).Select(i => Ids.New("run", new FixedTime(1_700_000_000_000L + (i * 977L)))).ToList();

        Assert.Equal(ids.Order(StringComparer.Ordinal), ids);
        Assert.Matches("^run_[0-9a-hjkmnp-tv-z]{26}$", ids[0]);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("run_")]
    [InlineData("run_01k0000000000000000000000")]
    [InlineData("run_01k000000000000000000000000")]
    [InlineData("run_81k00000000000000000000000")]
    [InlineData("run_01K00000000000000000000000")]
    [InlineData("run_01i00000000000000000000000")]
    [InlineData("run_01u00000000000000000000000")]
    [InlineData("def_01k00000000000000000000000")]
    [InlineData("run-01k00000000000000000000000")]
    [InlineData("run_01k0000000000000000000000\u0660")]
    public void What_is_not_exactly_an_id_is_refused(string? text) => Assert.False(Ids.TryParse(text, "run", out _));

    private sealed class FixedTime(long milliseconds) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => DateTimeOffset.FromUnixTimeMilliseconds(milliseconds);
    }
}
