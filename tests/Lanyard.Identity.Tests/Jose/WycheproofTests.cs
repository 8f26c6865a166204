using System.Text.Json;
using Lanyard.Identity.Jose;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Jose;

/// <summary>Project Wycheproof's cases for JWS and JWK, through the same checks that tokens go through.</summary>
[Line("2.1")]
public sealed class WycheproofTests(ITestOutputHelper output)
{
    /// <summary>RFC 7520's PS384 signature by a key that says PS256, and its ES512 one by a key whose alg ("ES521") does not exist.</summary>
    private static readonly int[] RefusedForTheirAlgorithm = [346, 347, 350, 351];

    [Theory]
    [InlineData("json_web_signature_test.json", 401, 0)]
    [InlineData("json_web_key_test.json", 26, 0)]
    [InlineData("json_web_crypto_test.json", 83, 34)]
    public void Every_case_comes_out_as_the_file_says_and_no_symmetric_key_is_ever_taken(string file, int cases, int encrypted)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder(), file)));
        var wrong = new List<string>();
        var (seen, notSignatures, accepted) = (0, 0, 0);
        foreach (var group in document.RootElement.GetProperty("testGroups").EnumerateArray())
        {
            var keys = KeysOf(group, out var symmetric);
            foreach (var test in group.GetProperty("tests").EnumerateArray())
            {
                seen++;
                if (!test.TryGetProperty("jws", out var jws))
                {
                    notSignatures++;
                    continue;
                }

                var id = test.GetProperty("tcId").GetInt32();
                var wanted = test.GetProperty("result").GetString() == "valid" && !symmetric
                    && !(file.Contains("signature", StringComparison.Ordinal) && RefusedForTheirAlgorithm.Contains(id));
                var outcome = Verify(jws, keys);
                accepted += outcome.IsRefused ? 0 : 1;
                if (outcome.IsRefused == wanted) wrong.Add($"{id} {test.GetProperty("comment")}: {(outcome.IsRefused ? outcome.Refusal.ToString() : "accepted")}");
            }
        }

        output.WriteLine($"{file}: {seen} cases, {accepted} accepted, {notSignatures} are no signatures");
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        Assert.Equal((cases, encrypted), (seen, notSignatures));
        Assert.True(accepted > 0, "nothing was accepted: the test shows nothing");
    }

    private static Outcome<byte[]> Verify(JsonElement jws, Outcome<KeySet> keys)
    {
        var text = jws.ValueKind == JsonValueKind.String ? jws.GetString()! : jws.GetRawText();
        return keys.TryGet(out var set, out var refusal) ? CompactJws.Verify(text, set) : refusal;
    }

    private static Outcome<KeySet> KeysOf(JsonElement group, out bool symmetric)
    {
        var jwk = group.TryGetProperty("public", out var given) ? given : group.GetProperty("private");
        var isSet = jwk.TryGetProperty("keys", out var keys);
        symmetric = isSet ? keys.EnumerateArray().All(IsSymmetric) : IsSymmetric(jwk);
        return KeySet.Parse(isSet ? jwk.GetRawText() : $$"""{"keys":[{{jwk.GetRawText()}}]}""");
    }

    private static bool IsSymmetric(JsonElement jwk) => jwk.TryGetProperty("kty", out var type) && type.ValueEquals("oct");

    private static string Folder()
    {
        var vectors = Environment.GetEnvironmentVariable("LANYARD_VECTORS");
        Assert.SkipWhen(string.IsNullOrEmpty(vectors), "no vectors");
        return Path.Combine(vectors!, "wycheproof");
    }
}
