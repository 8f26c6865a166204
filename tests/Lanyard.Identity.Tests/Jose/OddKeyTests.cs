using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Lanyard.Identity.Jose;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Jose;

/// <summary>Keys that are weak or odd in one thing, alone and beside a good one: none of them is ever loaded.</summary>
[Line("2.1")]
public sealed class OddKeyTests
{
    private static readonly RSAParameters Rsa = Numbers(2048);
    private static readonly RSAParameters Small = Numbers(1024);
    private static readonly ECParameters Curve = Point();

    public static TheoryData<string, string> Odd { get; } = new()
    {
        { "a modulus of 1024 bits", Json(("kty", "RSA"), ("n", Text(Small.Modulus!)), ("e", "AQAB")) },
        { "e = 1", Json(("kty", "RSA"), ("n", Text(Rsa.Modulus!)), ("e", "AQ")) },
        { "an even e", Json(("kty", "RSA"), ("n", Text(Rsa.Modulus!)), ("e", "Ag")) },
        { "an e of 33 bits", Json(("kty", "RSA"), ("n", Text(Rsa.Modulus!)), ("e", Text([1, 0, 0, 0, 1]))) },
        { "an even modulus", Json(("kty", "RSA"), ("n", Text([.. Rsa.Modulus![..^1], 2])), ("e", "AQAB")) },
        { "the private exponent", Json(("kty", "RSA"), ("n", Text(Rsa.Modulus!)), ("e", "AQAB"), ("d", Text(Rsa.D!))) },
        { "an RSA key for ES256", Json(("kty", "RSA"), ("n", Text(Rsa.Modulus!)), ("e", "AQAB"), ("alg", "ES256")) },
        { "P-256 for ES384", Json(("kty", "EC"), ("crv", "P-256"), ("x", Text(Curve.Q.X!)), ("y", Text(Curve.Q.Y!)), ("alg", "ES384")) },
        { "P-256 for RS256", Json(("kty", "EC"), ("crv", "P-256"), ("x", Text(Curve.Q.X!)), ("y", Text(Curve.Q.Y!)), ("alg", "RS256")) },
        { "a point that is not on its curve", Json(("kty", "EC"), ("crv", "P-256"), ("x", Text(Curve.Q.X!)), ("y", Text(Curve.Q.X!))) },
        { "a coordinate without its leading zeros", Json(("kty", "EC"), ("crv", "P-256"), ("x", Text(Curve.Q.X![1..])), ("y", Text(Curve.Q.Y!))) },
        { "P-256's numbers on P-384", Json(("kty", "EC"), ("crv", "P-384"), ("x", Text(Curve.Q.X!)), ("y", Text(Curve.Q.Y!))) },
        { "a curve that is not ours", Json(("kty", "EC"), ("crv", "secp256k1"), ("x", Text(Curve.Q.X!)), ("y", Text(Curve.Q.Y!))) },
        { "for encryption", Json(("kty", "RSA"), ("n", Text(Rsa.Modulus!)), ("e", "AQAB"), ("use", "enc")) },
        { "an algorithm of encryption", Json(("kty", "RSA"), ("n", Text(Rsa.Modulus!)), ("e", "AQAB"), ("alg", "RSA-OAEP")) },
        { "the algorithm none", Json(("kty", "RSA"), ("n", Text(Rsa.Modulus!)), ("e", "AQAB"), ("alg", "none")) },
        { "a symmetric key", Json(("kty", "oct"), ("k", "AAAA")) },
        { "no type", Json(("n", Text(Rsa.Modulus!)), ("e", "AQAB")) },
        { "padded numbers", Json(("kty", "RSA"), ("n", Text(Rsa.Modulus!) + "="), ("e", "AQAB")) },
    };

    [Theory]
    [MemberData(nameof(Odd))]
    public void An_odd_key_is_never_loaded(string what, string jwk)
    {
        Assert.True(KeySet.Parse($$"""{"keys":[{{jwk}}]}""").IsRefused, what);

        var beside = KeySet.Parse($$"""{"keys":[{{Good("good")}},{{jwk}}]}""");
        Assert.True(beside.IsRefused || beside.Value.Keys is [{ KeyId: "good" }], what);
    }

    [Fact]
    public void Two_keys_with_one_name_are_refused_even_where_they_are_the_same_or_one_is_not_for_us()
    {
        Assert.Equal("good", Assert.Single(KeySet.Parse($$"""{"keys":[{{Good("good")}}]}""").Value.Keys).KeyId);
        Assert.True(KeySet.Parse($$"""{"keys":[{{Good("a")}},{{Good("a")}}]}""").IsRefused);
        Assert.True(KeySet.Parse($$"""{"keys":[{{Good("a")}},{{Json(("kty", "OKP"), ("kid", "a"))}}]}""").IsRefused);
        Assert.True(KeySet.Parse($$"""{"keys":[{{Good("a")}}],"keys":[{{Good("b")}}]}""").IsRefused);
    }

    private static string Good(string keyId) => Json(("kty", "EC"), ("crv", "P-256"), ("x", Text(Curve.Q.X!)), ("y", Text(Curve.Q.Y!)), ("kid", keyId), ("use", "sig"));

    private static string Json(params (string Name, string Value)[] members) =>
        new JsonObject(members.Select(static member => KeyValuePair.Create(member.Name, (JsonNode?)member.Value))).ToJsonString();

    private static string Text(byte[] number) => Base64Url.Encode(number);

    private static RSAParameters Numbers(int bits)
    {
        using var rsa = RSA.Create(bits);
        return rsa.ExportParameters(true);
    }

    private static ECParameters Point()
    {
        using var curve = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return curve.ExportParameters(false);
    }
}
