using System.Text;
using System.Text.Json.Nodes;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Federation;

/// <summary>Keys brought to the chain: records that share an issuer string, and issuers that change or go away under it.</summary>
[Line("2.3")]
[Line("6.5")]
public sealed class SharedIssuerTests : IDisposable
{
    private const string Audience = "https://lanyard.example";
    private const string Cluster = "https://kubernetes.default.svc.cluster.local";

    private readonly ManualTime _time = new();
    private readonly List<SigningKey> _keys = [];

    [Fact]
    public async Task Two_clusters_with_one_issuer_string_and_different_keys_work_side_by_side()
    {
        var (north, south) = (NewKey(), NewKey());
        var keys = Uploaded(("clu_north", [north]), ("clu_south", [south]));

        Assert.Equal("clu_north", (await JudgeAsync(Token(north), keys, "clu_north", "clu_south")).Value.TrustRecordId);
        Assert.Equal("clu_south", (await JudgeAsync(Token(south), keys, "clu_north", "clu_south")).Value.TrustRecordId);
    }

    [Fact]
    public async Task A_cluster_cannot_speak_for_its_neighbour_by_naming_the_neighbours_key()
    {
        var (north, south) = (NewKey(), NewKey());
        var keys = Uploaded(("clu_north", [north]), ("clu_south", [south]));

        var refusal = (await JudgeAsync(Token(south, keyId: north.KeyId), keys, "clu_north", "clu_south")).Refusal;

        Assert.Equal(RefusalReason.SignatureInvalid, refusal.Reason);
    }

    [Fact]
    public async Task Without_a_key_id_the_record_is_the_one_whose_key_signed()
    {
        var (north, south) = (NewKey(), NewKey());
        var keys = Uploaded(("clu_north", [north]), ("clu_south", [south]));

        Assert.Equal("clu_south", (await JudgeAsync(Token(south, keyId: ""), keys, "clu_north", "clu_south")).Value.TrustRecordId);
    }

    [Fact]
    public async Task A_record_that_says_no_does_not_keep_another_with_the_same_key_from_saying_yes()
    {
        var shared = NewKey();
        var keys = Uploaded(("clu_north", [shared]), ("clu_south", [shared]));
        var strict = Record("clu_north") with { Audiences = ["https://elsewhere.example"] };

        var outcome = await JudgeAsync(Token(shared), keys, [strict, Record("clu_south")]);

        Assert.Equal("clu_south", outcome.Value.TrustRecordId);
    }

    [Fact]
    public async Task However_many_records_share_an_issuer_one_token_costs_a_bounded_number_of_checks()
    {
        // Each has a key of its own, all under one name.
        var records = Enumerable.Range(0, 100).Select(i => (Id: $"clu_{i}", Key: NewKey())).ToArray();
        var stored = records.ToDictionary(r => r.Id, r => new KeptKeys(Renamed(r.Key), _time.GetUtcNow()));
        var keys = new KeySetCache(
            new KeyKeeping((id, _) => Task.FromResult(stored.GetValueOrDefault(id)), (_, _, _) => Task.CompletedTask),
            (_, _) => throw new InvalidOperationException("uploaded keys are not fetched"),
            _time);
        string[] ids = [.. records.Select(r => r.Id)];

        Assert.Equal("clu_15", (await JudgeAsync(Token(records[15].Key, keyId: "same"), keys, ids)).Value.TrustRecordId);
        Assert.Equal(RefusalReason.SignatureInvalid, (await JudgeAsync(Token(records[16].Key, keyId: "same"), keys, ids)).Refusal.Reason);

        static string Renamed(SigningKey key)
        {
            var set = JsonNode.Parse(KeySet.Of([key.Public]).ToJson())!;
            set["keys"]![0]!["kid"] = "same";
            return set.ToJsonString();
        }
    }

    [Fact]
    public async Task A_thousand_tokens_with_unknown_keys_make_the_issuer_answer_once()
    {
        await using var issuer = await TestIssuer.StartAsync(_time);
        var cache = new KeySetCache(KeyKeeping.None, new DiscoveryClient(_time).FetchAsync, _time);
        var verifier = new TokenVerifier(_time);
        Assert.False((await Judge(issuer.Mint(Audience))).IsRefused);
        _time.Advance(KeySetCache.Cooldown);

        await Parallel.ForAsync(0, 1000, async (i, _) =>
        {
            var header = $$"""{"alg":"ES256","kid":"unknown-{{i}}"}""";
            var outcome = await Judge(issuer.MintRaw(header, issuer.Claims(Audience).ToJsonString()));
            Assert.Equal(RefusalReason.KeyUnknown, outcome.Refusal.Reason);
        });

        Assert.Equal((2, 2), (issuer.DiscoveryRequests, issuer.KeyRequests));
        Assert.False((await Judge(issuer.Mint(Audience))).IsRefused);

        async Task<Outcome<VerifiedToken>> Judge(string token) => await verifier.JudgeAsync(
            UnverifiedToken.Parse(token).Value, [issuer.Record()], cache.GetAsync, Options, cancellationToken: TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Keys_rotate_under_the_chain_and_the_outage_of_the_issuer_changes_nothing_even_over_a_restart()
    {
        var database = new Dictionary<string, KeptKeys>();
        var keeping = new KeyKeeping((id, _) => Task.FromResult(database.GetValueOrDefault(id)), (record, keys, _) =>
        {
            database[record.Id] = keys;
            return Task.CompletedTask;
        });
        var verifier = new TokenVerifier(_time);
        var issuer = await TestIssuer.StartAsync(_time);
        var record = issuer.Record();
        var cache = new KeySetCache(keeping, new DiscoveryClient(_time).FetchAsync, _time);
        string[] tokens;
        await using (issuer)
        {
            var before = issuer.Mint(Audience);
            Assert.False((await Judge(before)).IsRefused);
            issuer.Rotate(SignatureAlgorithm.RS256);
            _time.Advance(KeySetCache.Cooldown);
            tokens = [before, issuer.Mint(Audience)];
            foreach (var token in tokens) Assert.False((await Judge(token)).IsRefused);
        }

        _time.Advance(KeySetCache.Cooldown);
        cache = new KeySetCache(keeping, new DiscoveryClient(_time).FetchAsync, _time);
        foreach (var token in tokens) Assert.False((await Judge(token)).IsRefused);

        async Task<Outcome<VerifiedToken>> Judge(string token) => await verifier.JudgeAsync(
            UnverifiedToken.Parse(token).Value, [record], cache.GetAsync, Options, cancellationToken: TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task An_unknown_issuer_is_refused_before_any_network()
    {
        await using var issuer = await TestIssuer.StartAsync(_time);
        var cache = new KeySetCache(KeyKeeping.None, new DiscoveryClient(_time).FetchAsync, _time);
        foreach (var iss in (string[])[issuer.Issuer + "/", issuer.Issuer.ToUpperInvariant(), issuer.Issuer + "#", "x"])
        {
            var token = UnverifiedToken.Parse(issuer.Mint(Audience, change: c => c["iss"] = iss)).Value;
            var outcome = await new TokenVerifier(_time).JudgeAsync(token, [issuer.Record()], cache.GetAsync, Options, cancellationToken: TestContext.Current.CancellationToken);
            Assert.Equal(RefusalReason.IssuerUnknown, outcome.Refusal.Reason);
        }

        Assert.Equal(0, issuer.DiscoveryRequests);
    }

    public void Dispose() => _keys.ForEach(k => k.Dispose());

    private static VerifyOptions Options => new() { DefaultAudience = Audience };

    private static TrustedIssuer Record(string id) => new() { Id = id, Issuer = Cluster, Keys = KeySource.Uploaded };

    private SigningKey NewKey()
    {
        _keys.Add(SigningKey.Generate(SignatureAlgorithm.ES256));
        return _keys[^1];
    }

    private KeySetCache Uploaded(params (string Id, SigningKey[] Keys)[] records)
    {
        var stored = records.ToDictionary(r => r.Id, r => new KeptKeys(KeySet.Of([.. r.Keys.Select(k => k.Public)]).ToJson(), _time.GetUtcNow()));
        return new KeySetCache(
            new KeyKeeping((id, _) => Task.FromResult(stored.GetValueOrDefault(id)), (_, _, _) => Task.CompletedTask),
            (_, _) => throw new InvalidOperationException("uploaded keys are not fetched"),
            _time);
    }

    private Task<Outcome<VerifiedToken>> JudgeAsync(string token, KeySetCache keys, params string[] records) => JudgeAsync(token, keys, records.Select(Record).ToArray());

    private async Task<Outcome<VerifiedToken>> JudgeAsync(string token, KeySetCache keys, TrustedIssuer[] records) =>
        await new TokenVerifier(_time).JudgeAsync(UnverifiedToken.Parse(token).Value, records, keys.GetAsync, Options, cancellationToken: TestContext.Current.CancellationToken);

    private string Token(SigningKey key, string? keyId = null)
    {
        var now = _time.GetUtcNow().ToUnixTimeSeconds();
        var header = new JsonObject { ["alg"] = key.Algorithm.Name() };
        if (keyId != "") header["kid"] = keyId ?? key.KeyId;
        var claims = new JsonObject { ["iss"] = Cluster, ["sub"] = "system:serviceaccount:ci:runner", ["aud"] = new JsonArray(Audience), ["iat"] = now, ["exp"] = now + 600 };
        var input = $"{Encoded(header)}.{Encoded(claims)}";
        var signature = new byte[key.SignatureLength];
        key.Sign(Encoding.ASCII.GetBytes(input), signature);
        return $"{input}.{Base64Url.Encode(signature)}";
    }

    private static string Encoded(JsonObject json) => Base64Url.Encode(Encoding.UTF8.GetBytes(json.ToJsonString()));
}
