using Lanyard.Protocol.Telemetry;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Protocol.Tests.Telemetry;

/// <summary>The text exposition format: what a label's value is must not end the line that it stands in.</summary>
[Line("3.9")]
public sealed class PrometheusTextTests
{
    [Fact]
    public void A_labels_value_can_not_add_a_sample_of_its_own()
    {
        var text = new PrometheusText();
        text.Begin("requests_total", "counter", "Requests.");
        text.Add("requests_total", 2, ("issuer", "a\"} 9\nforged 1\\"), ("code", "200"));

        Assert.Equal("# HELP requests_total Requests.\n# TYPE requests_total counter\nrequests_total{issuer=\"a\\\"} 9\\nforged 1\\\\\",code=\"200\"} 2\n", text.ToString());
    }

    [Theory]
    [InlineData(0.1, "0.1")]
    [InlineData(1e21, "1E+21")]
    [InlineData(double.PositiveInfinity, "+Inf")]
    [InlineData(double.NegativeInfinity, "-Inf")]
    [InlineData(double.NaN, "NaN")]
    public void A_value_is_spelled_as_a_scraper_reads_it(double value, string spelled)
    {
        var text = new PrometheusText();
        text.Add("x", value);
        Assert.Equal($"x {spelled}\n", text.ToString());
    }
}
