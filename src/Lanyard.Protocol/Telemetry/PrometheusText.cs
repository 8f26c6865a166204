using System.Globalization;
using System.Text;

namespace Lanyard.Protocol.Telemetry;

/// <summary>Writes the Prometheus text exposition format, version 0.0.4.</summary>
public sealed class PrometheusText
{
    /// <summary>The media type of an answer that holds it.</summary>
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";
    private readonly StringBuilder _text = new();

    /// <summary>Begins a metric: every sample of it must follow before the next one begins.</summary>
    /// <param name="type"><c>counter</c>, <c>gauge</c> or <c>histogram</c>.</param>
    public void Begin(string name, string type, string help) =>
        _text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {help}\n# TYPE {name} {type}\n");

    /// <summary>Adds a sample; label values may be any text.</summary>
    public void Add(string name, double value, params ReadOnlySpan<(string Name, string Value)> labels)
    {
        _text.Append(name);
        for (var i = 0; i < labels.Length; i++)
            _text.Append(i == 0 ? '{' : ',').Append(labels[i].Name).Append("=\"").Append(Escaped(labels[i].Value)).Append('"');
        _text.Append(labels.Length > 0 ? "} " : " ").Append(Spelled(value)).Append('\n');
    }

    /// <summary>What was written so far.</summary>
    public override string ToString() => _text.ToString();

    private static string Spelled(double value) =>
        double.IsFinite(value) || double.IsNaN(value) ? value.ToString("R", CultureInfo.InvariantCulture) : value > 0 ? "+Inf" : "-Inf";

    private static string Escaped(string value) => value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
}
