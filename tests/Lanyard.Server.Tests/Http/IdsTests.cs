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

    [Fact]
    public void Ids_that_many_threads_make_in_one_moment_are_all_different_and_UUIDs_of_version_7_of_that_moment()
    {
        const int threads = 4;
        const int each = 2000;
        var moment = new FixedTime(1_700_000_000_123L);
        var made = new string[threads][];
        var workers = Enumerable.Range(0, threads).Select(n => new Thread(() => made[n] = [.. Enumerable.Range(0, each).Select(_ => Ids.New("run", moment))])).ToList();
        workers.ForEach(static worker => worker.Start());
        workers.ForEach(static worker => worker.Join());

        var uuids = made.SelectMany(static ids => ids).Select(static id => Ids.TryParse(id, "run", out var uuid) ? uuid : default).ToHashSet();
        Assert.Equal(threads * each, uuids.Count);
        Assert.All(uuids, static uuid => Assert.Equal((7, 1_700_000_000_123L), (uuid.Version, Ids.TimeOf(uuid))));
        Assert.All(uuids, static uuid => Assert.InRange(uuid.Variant, 0x8, 0xb));
        // 74 bits of each are random: none of them is the same in all.
        var bytes = uuids.Select(static uuid => uuid.ToByteArray(bigEndian: true)).ToList();
        Assert.All(Enumerable.Range(0, 74), bit => Assert.Equal(2, bytes.Select(id => Bit(id, bit)).Distinct().Count()));
    }

    /// <summary>Of the 12 behind the version and the 62 behind the variant.</summary>
    private static int Bit(byte[] uuid, int random)
    {
        var at = random < 12 ? 52 + random : 66 + random - 12;
        return (uuid[at / 8] >> (7 - (at % 8))) & 1;
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
