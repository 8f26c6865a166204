using Lanyard.Bench.Parts;
using Lanyard.Bench.Rows;

namespace Lanyard.Bench.Verify;

/// <summary>The chain without memory against the bare primitive and the libraries, and the memory of judged tokens; all in one thread, per CPU-second.</summary>
internal static class VerifyBench
{
    private const string PerSecond = "checks / CPU-s";
    private const double Seconds = 0.25;
    private static readonly string[] Algorithms = ["RS256", "ES256"];

    // What the research saw the peers do; far under it, a comparison says nothing.
    private static readonly Dictionary<string, double> Known = new(StringComparer.Ordinal)
    {
        ["primitive RS256"] = 49_500, ["primitive ES256"] = 15_000, ["fast-jwt RS256"] = 33_000, ["fast-jwt ES256"] = 13_300,
        ["jose RS256"] = 6_300, ["jose ES256"] = 5_200, ["IdentityModel RS256"] = 13_200, ["IdentityModel ES256"] = 12_200,
    };

    public static async Task<(List<BenchRow> Rows, string Note)> RunAsync()
    {
        using var subject = new VerifySubject();
        using var node = await NodePeer.StartAsync("verify.mjs");
        await node.AskAsync(subject.ForNode());
        foreach (var check in subject.Checks.Values)
            CallRate.PerSecond(check, 0.4);
        var medians = await new RoundLoop("verify", [node.Id], TimeSpan.FromSeconds(90)).RunAsync(async () =>
        {
            var values = new Dictionary<string, double>(StringComparer.Ordinal);
            foreach (var (name, check) in subject.Checks)
            {
                values[name] = CallRate.PerSecond(check, Seconds);
                values["bytes " + name] = CallRate.Bytes(check);
            }
            foreach (var algorithm in Algorithms)
                foreach (var peer in (string[])["fast-jwt ", "jose "])
                    values[peer + algorithm] = await node.MeasureAsync(peer + algorithm);
            return values;
        });
        return (Rows(medians), medians.Note);
    }

    private static List<BenchRow> Rows(Medians medians)
    {
        var rows = new List<BenchRow>();
        void Against(string algorithm, string peer, string shown, double goal) => rows.Add(BenchRow.Rate(
            $"verify {algorithm}, whole chain", medians["chain " + algorithm], medians[$"{peer} {algorithm}"], shown, PerSecond, goal, Known[$"{peer} {algorithm}"]));
        foreach (var algorithm in Algorithms)
        {
            var isRsa = algorithm == "RS256";
            Against(algorithm, "primitive", "bare .NET primitive", isRsa ? 0.75 : 0.9);
            Against(algorithm, "fast-jwt", "fast-jwt 6.3.6", isRsa ? 1.05 : 1);
            Against(algorithm, "jose", "jose 6.2.17", 1);
            Against(algorithm, "IdentityModel", "Microsoft.IdentityModel.JsonWebTokens 6.8.0", isRsa ? 2.5 : 1);
            var above = medians["bytes chain " + algorithm] - medians["bytes primitive " + algorithm];
            rows.Add(BenchRow.Cost($"verify {algorithm}, allocated above the primitive", above, 1024, BenchRow.Limit, "B / check"));
        }
        rows.Add(BenchRow.Rate("remembered token", medians["remembered"], 500_000, BenchRow.Limit, PerSecond, 1));
        rows.Add(BenchRow.Cost("remembered token, allocated", medians["bytes remembered"], 0, BenchRow.Limit, "B / check"));
        return rows;
    }
}
