using System.Text.Json.Serialization;

namespace Lanyard.Bench.Rows;

/// <summary>A line of a benchmark's table.</summary>
/// <param name="Peer">The other's figure in the same rounds, or the goal where that is absolute (<paramref name="PeerName"/> is then <c>limit</c>).</param>
/// <param name="Ratio">More than 1: ours is better.</param>
/// <param name="Goal">Least ratio.</param>
/// <param name="Suspect">The peer ran so far under its known figure that the comparison says nothing; then <paramref name="Holds"/> is false.</param>
internal sealed record BenchRow(string Name, double Ours, double Peer, string PeerName, string Unit, double Ratio, double Goal, bool Holds, bool Suspect)
{
    public const string Limit = "limit";

    /// <summary>A peer that is slower than this share of its figure makes its row suspect.</summary>
    private const double LeastShareOfKnown = 0.7;

    /// <param name="known">The peer's figure in the research; null where there is none.</param>
    public static BenchRow Rate(string name, double ours, double peer, string peerName, string unit, double goal, double? known = null)
    {
        var suspect = known is { } figure && peer < LeastShareOfKnown * figure;
        var ratio = peer > 0 ? ours / peer : 0;
        return new(name, Round(ours), Round(peer), peerName, unit, Round(ratio), goal, !suspect && ratio >= goal, suspect);
    }

    /// <summary>A figure of which less is better, against a limit or a peer.</summary>
    /// <param name="goal">Least ratio peer : ours.</param>
    public static BenchRow Cost(string name, double ours, double peer, string peerName, string unit, double goal = 1)
    {
        // Nothing at all is better than every limit, also than the limit of nothing.
        var ratio = ours > 0 ? peer / ours : 1000;
        return new(name, Round(ours), Round(peer), peerName, unit, Round(ratio), goal, ratio >= goal, false);
    }

    private static double Round(double value) => value is 0 ? 0 : Math.Round(value, Math.Clamp(3 - (int)Math.Floor(Math.Log10(Math.Abs(value))), 0, 6));
}

/// <summary>The file of <c>--json</c>.</summary>
[JsonSourceGenerationOptions(System.Text.Json.JsonSerializerDefaults.Web, WriteIndented = true)]
[JsonSerializable(typeof(IReadOnlyList<BenchRow>))]
internal sealed partial class BenchJson : JsonSerializerContext;
