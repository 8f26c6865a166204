using System.Text.Json;
using Lanyard.Protocol.OAuth;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Protocol.Tests.OAuth;

/// <summary><c>aud</c> has two spellings (RFC 7519 §4.1.3).</summary>
[Line("2.5")]
public sealed class AudienceTests
{
    private static readonly JsonSerializerOptions Options = new() { Converters = { new AudienceConverter() } };

    [Theory]
    [InlineData("\"a\"", new[] { "a" })]
    [InlineData("[\"a\",\"b\"]", new[] { "a", "b" })]
    public void One_is_a_string_and_several_are_an_array_both_ways(string json, string[] audiences)
    {
        Assert.Equal(audiences, JsonSerializer.Deserialize<IReadOnlyList<string>>(json, Options));
        Assert.Equal(json, JsonSerializer.Serialize<IReadOnlyList<string>>(audiences, Options));
    }

    [Fact]
    public void An_array_of_one_is_read_too() => Assert.Equal(["a"], JsonSerializer.Deserialize<IReadOnlyList<string>>("[\"a\"]", Options));

    [Theory]
    [InlineData("1")]
    [InlineData("[1]")]
    [InlineData("[null]")]
    [InlineData("[[\"a\"]]")]
    [InlineData("{\"a\":\"b\"}")]
    [InlineData("[\"a\"")]
    public void Anything_else_is_no_audience(string json) => Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<IReadOnlyList<string>>(json, Options));
}
