using System.Buffers;
using System.Diagnostics;
using System.Text;
using Lanyard.Cli.Runner.Logs;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Logs;

/// <summary>Base64 that was broken into lines, with the secret anywhere in what was encoded: a token is longer than a line, and a password may stand across the end of one.</summary>
[Line("5.7")]
public sealed class BrokenBase64Tests
{
    /// <summary>So few characters say nothing of a secret.</summary>
    private const int Harmless = 8;
    private static readonly string s_token = "eyJhbGciOiJSUzI1NiJ9." + Letters(900);

    [Theory]
    [InlineData(76, "\n")]
    [InlineData(64, "\n")]
    [InlineData(76, "\r\n")]
    [InlineData(60, "\n  ")]
    public void A_token_or_a_password_is_hidden_wherever_it_stands(int width, string lineBreak)
    {
        foreach (var secret in (string[])[s_token, "correct horse battery"])
        {
            for (var before = 0; before < 80; before++)
            {
                var encoded = Convert.ToBase64String(Encoding.ASCII.GetBytes(Digits(before) + secret + " and what follows it"));
                var masked = Mask([secret], Encoding.ASCII.GetBytes(string.Join(lineBreak, encoded.Chunk(width).Select(static line => new string(line))) + "\nafter\n"));

                Assert.EndsWith("\nafter\n", masked, StringComparison.Ordinal);
                AssertHidden(encoded[((before * 8 + 5) / 6)..((before + secret.Length) * 8 / 6)], masked, $"{before} before it");
            }
        }
    }

    [Theory]
    [InlineData("printf 'login %s and more' \"$S\" | base64")]
    [InlineData("printf 'a longer text before the login %s' \"$S\" | openssl base64")]
    [InlineData("env | grep ^S= | base64")]
    public void What_real_programs_make_of_a_token_does_not_show_it(string script)
    {
        using var shell = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", script]) { RedirectStandardOutput = true, Environment = { ["S"] = s_token } })!;
        var output = shell.StandardOutput.ReadToEnd();
        shell.WaitForExit();
        Assert.SkipWhen(output.Length == 0, "it is not installed");

        var masked = Mask([s_token], Encoding.ASCII.GetBytes(output));

        Assert.Contains("***", masked, StringComparison.Ordinal);
        Assert.True(masked.Length < 120, masked);
    }

    [Theory]
    [InlineData("\n")]
    [InlineData("\r\n")]
    [InlineData("\n    ")]
    public void It_is_the_same_wherever_the_chunks_are_cut(string lineBreak)
    {
        const string secret = "correct horse battery staple, and some more that goes on beyond a line";
        var encoded = Convert.ToBase64String(Encoding.ASCII.GetBytes(Digits(40) + secret + Digits(40)));
        var text = Encoding.ASCII.GetBytes($"begin\n{string.Join(lineBreak, encoded.Chunk(64).Select(static line => new string(line)))}\nend\n");
        var whole = Mask([secret], text);
        Assert.Contains("***", whole, StringComparison.Ordinal);
        for (var cut = 0; cut <= text.Length; cut++)
            Assert.Equal(whole, Mask([secret], text[..cut], text[cut..]));
        Assert.Equal(whole, Mask([secret], [.. text.Select(static b => new[] { b })]));
    }

    /// <summary>Who reads along waits for no next line, unless this one is base64 and its end begins a secret.</summary>
    [Fact]
    public void Lines_of_words_are_not_held_back_for_what_might_follow()
    {
        var mask = new SecretMask();
        mask.Add(s_token);
        var output = new ArrayBufferWriter<byte>();
        for (var letter = '!'; letter <= '~'; letter++)
        {
            mask.Write(Encoding.ASCII.GetBytes($"some words, and then {letter}\n"), output);
            Assert.False(mask.IsHolding, $"{letter} is held back");
        }
    }

    [Fact]
    public void Line_after_line_of_nothing_but_a_secret_is_not_held_back_for_ever()
    {
        var mask = new SecretMask();
        mask.Add(new string('a', 90));
        var lines = Encoding.ASCII.GetBytes(string.Concat(Convert.ToBase64String(Encoding.ASCII.GetBytes(new string('a', 57_000))).Chunk(76).Select(static line => new string(line) + "\n")));
        var output = new ArrayBufferWriter<byte>();
        foreach (var part in lines.Chunk(1000)) mask.Write(part, output);
        var before = output.WrittenCount;
        mask.Flush(output);

        Assert.True(before > 0 && output.WrittenCount - before < 2000, $"{before} bytes came before the end, and {output.WrittenCount - before} with it");
        AssertHidden(Convert.ToBase64String(Encoding.ASCII.GetBytes(new string('a', 90))), Encoding.ASCII.GetString(output.WrittenSpan), "it goes on and on");
    }

    private static void AssertHidden(string encoded, string masked, string when)
    {
        for (var at = 0; at + Harmless <= encoded.Length; at++)
            Assert.False(masked.Contains(encoded.Substring(at, Harmless), StringComparison.Ordinal), $"{when}: {encoded.Substring(at, Harmless)} in {masked}");
    }

    private static string Letters(int count) => new([.. Enumerable.Range(0, count).Select(static i => (char)('a' + ((i * i * 7) + (i / 3)) % 26))]);

    private static string Digits(int count) => new([.. Enumerable.Range(0, count).Select(static i => (char)('0' + (i % 10)))]);

    private static string Mask(string[] secrets, params byte[][] chunks)
    {
        var mask = new SecretMask();
        Array.ForEach(secrets, secret => mask.Add(secret));
        var output = new ArrayBufferWriter<byte>();
        Array.ForEach(chunks, chunk => mask.Write(chunk, output));
        mask.Flush(output);
        return Encoding.ASCII.GetString(output.WrittenSpan);
    }
}
