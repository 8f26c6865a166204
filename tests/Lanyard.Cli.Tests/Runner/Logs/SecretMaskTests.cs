using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using Lanyard.Cli.Runner.Logs;
using Lanyard.Protocol.Runs;
using Lanyard.Testing;
using Lanyard.Testing.Runs;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Logs;

[Line("2.9")]
public sealed class SecretMaskTests
{
    private const string Secret = "abcabcabd-the-secret";

    [Fact]
    public void A_secret_is_masked_wherever_the_chunks_are_cut()
    {
        var input = Encoding.UTF8.GetBytes($"before {Secret} between {Secret}{Secret} abcabc after abcabcabd-the");
        for (var cut = 0; cut <= input.Length; cut++)
        {
            for (var second = cut; second <= input.Length; second += 7)
            {
                Assert.Equal("before *** between ****** abcabc after abcabcabd-the", Mask([Secret], input[..cut], input[cut..second], input[second..]));
            }
        }
    }

    [Fact]
    public void Byte_by_byte_a_secret_that_is_the_end_of_another_is_masked_with_it()
    {
        var token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJlc2lnbmF0dXJl";
        var signature = token.Split('.')[2];
        var input = Encoding.UTF8.GetBytes($"[{token}] [{signature}] [{token[..20]}]");

        Assert.Equal($"[***] [***] [{token[..20]}]", Mask([token, signature], [.. input.Select(b => new[] { b })]));
    }

    [Fact]
    public void Random_cuts_never_show_a_secret_and_never_lose_a_byte()
    {
        var random = new Random(7);
        for (var round = 0; round < 300; round++)
        {
            string[] secrets = [.. Enumerable.Range(0, 3).Select(_ => new string([.. Enumerable.Range(0, 8 + random.Next(4)).Select(_ => (char)('a' + random.Next(2)))]))];
            var text = new string([.. Enumerable.Range(0, 200).Select(_ => (char)('a' + random.Next(2)))]) + secrets[random.Next(3)] + "-";
            var whole = Mask(secrets, Encoding.UTF8.GetBytes(text));
            var cuts = new List<byte[]>();
            for (var at = 0; at < text.Length;)
            {
                var length = Math.Min(1 + random.Next(9), text.Length - at);
                cuts.Add(Encoding.UTF8.GetBytes(text.Substring(at, length)));
                at += length;
            }

            Assert.All(secrets, secret => Assert.DoesNotContain(secret, Mask(secrets, [.. cuts]), StringComparison.Ordinal));
            Assert.All(secrets, secret => Assert.DoesNotContain(secret, whole, StringComparison.Ordinal));
        }
    }

    [Fact]
    public void What_might_begin_a_secret_comes_out_at_the_end_if_it_was_none()
    {
        Assert.Equal("abcabcab", Mask([Secret], "abcabcab"u8.ToArray()));
    }

    private static string Mask(string[] secrets, params byte[][] chunks)
    {
        var mask = new SecretMask();
        Array.ForEach(secrets, secret => mask.Add(secret));
        var output = new ArrayBufferWriter<byte>();
        Array.ForEach(chunks, chunk => mask.Write(chunk, output));
        mask.Flush(output);
        return Encoding.UTF8.GetString(output.WrittenSpan);
    }
}
