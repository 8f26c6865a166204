using System.Text;
using Lanyard.Bench.Exchange;
using Lanyard.Bench.Parts;
using Lanyard.Bench.Rows;
using Lanyard.Identity.Jose;
using Lanyard.Protocol.OAuth;
using Lanyard.Testing.Installations;

namespace Lanyard.Bench.Federation;

/// <summary>
/// Conditions in CEL in one thread; a thousand policies in a workspace beside one; and exchanges whose every subject token is new, beside the two operations of bare crypto that
/// each of them needs: a signature verified, and one made.
/// </summary>
internal static class FederationBench
{
    private const string PerSecond = "tokens / server CPU-s";
    private const int ManyPolicies = 1000;
    private const double Seconds = 0.25;

    public static async Task<(List<BenchRow> Rows, string Note)> RunAsync()
    {
        await using var one = await BenchInstallation.StartAsync();
        await using var many = await BenchInstallation.StartAsync();
        await using var rsa = await BenchInstallation.StartAsync(algorithm: SignatureAlgorithm.RS256);
        await AddPoliciesAsync(many);
        BenchInstallation[] servers = [one, many, rsa];
        foreach (var server in servers)
            BenchInstallation.Pin(server.ServerId, 0);
        using var crypto = new BareCrypto();
        var conditions = Conditions.All;
        foreach (var (server, load) in servers.Select(static server => (server, Load(server))))
            await WarmUp.RunAsync(() => ExchangeAsync(server, load));
        foreach (var check in (Action[])[.. conditions.Values, crypto.Es256, crypto.Rs256])
            CallRate.PerSecond(check, 0.4);
        var medians = await new RoundLoop("federation", [.. servers.Select(static server => server.ServerId)], TimeSpan.FromSeconds(120)).RunAsync(async () =>
        {
            var values = new Dictionary<string, double>(StringComparer.Ordinal)
            {
                ["one"] = await ExchangeAsync(one, Load(one)),
                ["many"] = await ExchangeAsync(many, Load(many)),
                ["rsa"] = await ExchangeAsync(rsa, Load(rsa)),
                ["bare ES256"] = CallRate.PerSecond(crypto.Es256, Seconds),
                ["bare RS256"] = CallRate.PerSecond(crypto.Rs256, Seconds),
            };
            foreach (var (name, condition) in conditions)
                (values[name], values["bytes " + name]) = (CallRate.PerSecond(condition, Seconds), CallRate.Bytes(condition));
            return values;
        });
        return (Rows(medians, conditions.Keys), medians.Note);
    }

    private static List<BenchRow> Rows(Medians medians, IEnumerable<string> conditions)
    {
        var rows = new List<BenchRow>();
        foreach (var name in conditions)
        {
            rows.Add(BenchRow.Rate($"condition, {name}", medians[name], 3_000_000, BenchRow.Limit, "evaluations / CPU-s", 1));
            rows.Add(BenchRow.Cost($"condition, {name}, allocated", medians["bytes " + name], 0, BenchRow.Limit, "B / evaluation"));
        }
        rows.Add(BenchRow.Rate($"exchange with {ManyPolicies} policies in the workspace", medians["many"], medians["one"], "the same with one", PerSecond, 1 / 1.2));
        rows.Add(BenchRow.Rate("exchange, ES256, every subject token new", medians["one"], medians["bare ES256"], "bare verify + sign", PerSecond, 0.5));
        rows.Add(BenchRow.Rate("exchange, RS256, every subject token new", medians["rsa"], medians["bare RS256"], "bare verify + sign", PerSecond, 0.35));
        return rows;
    }

    /// <summary>Each for a subject of its own, as in a workspace with a policy for each of a thousand repositories.</summary>
    private static Task AddPoliciesAsync(BenchInstallation installation) => installation.ApplyAsync(
        [.. Enumerable.Range(1, ManyPolicies - 1).Select(static n => Documents.TrustPolicy("acme", null, $"p{n}", "ci", $"repo:acme-{n}", "roles: [viewer]"))]);

    private static TokenLoad Load(BenchInstallation installation) => new(installation.Url);

    /// <summary>Two thousand tokens that the server has never seen; made before its time is taken.</summary>
    private static Task<double> ExchangeAsync(BenchInstallation installation, TokenLoad load)
    {
        var requests = new byte[2000][];
        Parallel.For(0, requests.Length, i => requests[i] = LeanHttp.Request(installation.Url, "POST", "/token", null, "application/x-www-form-urlencoded", Form(installation.SubjectToken())));
        return load.RunAsync(installation.ServerId, requests);
    }

    private static byte[] Form(string subject) => Encoding.ASCII.GetBytes(
        $"grant_type={Uri.EscapeDataString(OAuthNames.GrantTokenExchange)}&subject_token_type={Uri.EscapeDataString(OAuthNames.TokenTypeJwt)}&subject_token={subject}");
}
