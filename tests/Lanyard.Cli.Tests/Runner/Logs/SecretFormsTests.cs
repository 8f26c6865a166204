using System.Buffers;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Lanyard.Cli.Runner.Logs;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Logs;

/// <summary>Secrets in every form in which programs print them, whatever the borders of the chunks, and commands that add more.</summary>
[Line("5.7")]
public sealed class SecretFormsTests
{
    private static readonly JsonSerializerOptions s_relaxed = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private const string Secret = "p@ss/w0rd+'x\"y$z w";

    [Theory]
    [InlineData("")]
    [InlineData("u")]
    [InlineData("us")]
    [InlineData("user")]
    [InlineData("user:")]
    [InlineData("user:é")]
    public void In_base64_it_is_found_wherever_it_stands(string before)
    {
        foreach (var after in (string[])["", "!", "!!", "!!!"])
        {
            var encoded = Convert.ToBase64String(Encoding.UTF8.GetBytes(before + Secret + after));
            AssertHidden(encoded);
            AssertHidden(encoded.Replace('+', '-').Replace('/', '_').TrimEnd('='));
        }
    }

    [Fact]
    public void In_a_URL_in_JSON_and_quoted_for_a_shell_it_is_hidden_whole()
    {
        string[] forms =
        [
            Uri.EscapeDataString(Secret), Uri.EscapeDataString(Secret).ToLowerInvariant(), System.Net.WebUtility.UrlEncode(Secret),
            JsonSerializer.Serialize(Secret)[1..^1], JsonSerializer.Serialize(Secret, s_relaxed)[1..^1],
            Secret.Replace("'", "'\\''", StringComparison.Ordinal),
        ];
        Assert.All(forms, form => Assert.Equal("[***]", Mask([Secret], Encoding.UTF8.GetBytes($"[{form}]"))));
    }

    [Theory]
    [InlineData("printf %s \"$S\" | base64")]
    [InlineData("printf 'login %s ' \"$S\" | base64 -w0")]
    [InlineData("bash -c 'printf %q \"$S\"'")]
    [InlineData("env | grep ^S=")]
    [InlineData("bash -c 'set -x; : \"$S\"' 2>&1")]
    public void What_real_programs_make_of_it_does_not_show_it(string script)
    {
        using var shell = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", script]) { RedirectStandardOutput = true, Environment = { ["S"] = Secret } })!;
        var output = shell.StandardOutput.ReadToEnd();
        shell.WaitForExit();
        Assert.NotEmpty(output);
        AssertHidden(output);
    }

    /// <summary>With line breaks, control characters or, in the locale C, letters that are not ASCII, bash quotes in a way of its own.</summary>
    [Theory]
    [InlineData("it's of \\ two\nlines\tand\u001b more", "C.UTF-8")]
    [InlineData("it's größe \\ and x", "C")]
    [InlineData("größe-ist's\nx", "C")]
    public void As_bash_quotes_it_between_dollar_quotes_it_is_hidden(string secret, string locale)
    {
        using var shell = Process.Start(new ProcessStartInfo("/bin/bash", ["-c", "printf %q \"$S\""]) { RedirectStandardOutput = true, Environment = { ["S"] = secret, ["LC_ALL"] = locale } })!;
        var output = shell.StandardOutput.ReadToEnd();
        shell.WaitForExit();
        Assert.StartsWith("$'", output, StringComparison.Ordinal);
        Assert.Equal("$'***'", Mask([secret], Encoding.UTF8.GetBytes(output)));
    }

    /// <summary>By the languages themselves, where they are installed; Go's by its documented rules.</summary>
    [Theory]
    [InlineData("node -e 'process.stdout.write(encodeURIComponent(process.env.S))'")]
    [InlineData("python3 -c 'import os,urllib.parse as u; print(u.quote(os.environ[\"S\"]), end=\"\")'")]
    [InlineData("python3 -c 'import os,urllib.parse as u; print(u.quote_plus(os.environ[\"S\"]), end=\"\")'")]
    [InlineData("echo -n 'p(a%2Fs)+%40%3F&=!%20w$,;x'")]
    [InlineData("echo -n 'p%28a%2Fs%29+%40%3F&=%21%20w$,;x'")]
    [InlineData("echo -n 'p%28a%2Fs%29+@%3F&=%21%20w$%2C%3Bx'")]
    [InlineData("jq -rjn 'env.S | @uri'")]
    public void In_a_URL_it_is_hidden_whatever_the_language_escapes(string script)
    {
        using var shell = Process.Start(new ProcessStartInfo("/bin/bash", ["-c", script]) { RedirectStandardOutput = true, Environment = { ["S"] = "p(a/s)+@?&=! w$,;x" } })!;
        var output = shell.StandardOutput.ReadToEnd();
        shell.WaitForExit();
        Assert.SkipWhen(shell.ExitCode == 127, "it is not installed");
        Assert.Equal("[***]", Mask(["p(a/s)+@?&=! w$,;x"], Encoding.UTF8.GetBytes($"[{output}]")));
    }

    /// <summary>Each language has its own mind of what it escapes in JSON.</summary>
    [Theory]
    [InlineData("gr<een>&\"p\\w/d", "gr\\u003ceen\\u003e\\u0026\\\"p\\\\w/d", "Go, and so Terraform, kubectl, docker")]
    [InlineData("gr<een>&\"p\\w/d", "gr\\u003Ceen\\u003E\\u0026\\u0022p\\\\w/d", ".NET")]
    [InlineData("größe-ist-\u20ac/x", "gr\\u00f6\\u00dfe-ist-\\u20ac/x", "Python")]
    [InlineData("größe-ist-\u20ac/x", "gr\\u00f6\\u00dfe-ist-\\u20ac\\/x", "PHP")]
    [InlineData("größe-ist-\u20ac/x", "größe-ist-\u20ac/x", "jq")]
    [InlineData("pass\U0001F600word", "pass\\ud83d\\ude00word", "Python")]
    public void In_JSON_it_is_hidden_whatever_the_language_escapes(string secret, string printed, string language)
    {
        Assert.NotEmpty(language);
        Assert.Equal("[***]", Mask([secret], Encoding.UTF8.GetBytes($"[{printed}]")));
    }

    [Theory]
    [InlineData("python3 -c 'import json,os; print(json.dumps({\"k\": os.environ[\"S\"]}))'")]
    [InlineData("node -e 'console.log(JSON.stringify({k: process.env.S}))'")]
    public void What_languages_really_write_as_JSON_does_not_show_it(string script)
    {
        const string secret = "gr<öß>&\"p\\w/d\U0001F600 x";
        using var shell = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", script]) { RedirectStandardOutput = true, RedirectStandardError = true, Environment = { ["S"] = secret, ["PYTHONUTF8"] = "1" } })!;
        var output = shell.StandardOutput.ReadToEnd();
        shell.WaitForExit();
        Assert.SkipWhen(shell.ExitCode == 127, "it is not installed");
        Assert.Matches("^\\{\"k\": ?\"\\*\\*\\*\"\\}\\s*$", Mask([secret], Encoding.UTF8.GetBytes(output)));
    }

    [Fact]
    public void A_long_token_in_base64_that_was_broken_into_lines_is_hidden_line_by_line()
    {
        var token = new string([.. Enumerable.Range(0, 900).Select(i => (char)('a' + (i * i % 26)))]);
        foreach (var width in (int[])[76, 64])
        {
            var lines = Convert.ToBase64String(Encoding.UTF8.GetBytes(token)).Chunk(width).Select(line => new string(line));
            var masked = Mask([token], Encoding.UTF8.GetBytes(string.Join('\n', lines) + "\n"));
            Assert.All(masked.Split('\n', StringSplitOptions.RemoveEmptyEntries), line => Assert.Equal("***", line));
        }
    }

    [Fact]
    public void Of_a_secret_with_several_lines_each_line_is_hidden_alone_too()
    {
        const string key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\n  hkiG9w0BAQEFAASC\n-----END KEY-----\n";
        Assert.Equal("a\n***b", Mask([key], Encoding.UTF8.GetBytes($"a\n{key}b")));
        Assert.Equal("> ***\n> ***\n", Mask([key], "> MIIEvQIBADANBgkq\n> hkiG9w0BAQEFAASC\n"u8.ToArray()));
        Assert.DoesNotContain("MIIEvQ", Mask([key], Encoding.UTF8.GetBytes(key.ReplaceLineEndings("\r\n"))), StringComparison.Ordinal);
        Assert.DoesNotContain("MIIEvQ", Mask([key], JsonSerializer.SerializeToUtf8Bytes(key)), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_form_is_hidden_wherever_the_chunks_are_cut()
    {
        var forms = SecretVariants.Of(Secret).All;
        var text = (byte[])[.. "<"u8, .. forms.SelectMany(form => (byte[])[.. form, .. "|"u8]), .. ">"u8];
        var whole = Mask([Secret], text);
        for (var cut = 0; cut <= text.Length; cut++)
            Assert.Equal(whole, Mask([Secret], text[..cut], text[cut..]));
        Assert.Equal(whole, Mask([Secret], [.. text.Select(b => new[] { b })]));
    }

    [Fact]
    public void Against_a_search_that_looks_everywhere_many_patterns_find_the_same()
    {
        var random = new Random(11);
        for (var round = 0; round < 200; round++)
        {
            byte[][] patterns = [.. Enumerable.Range(0, 1 + random.Next(40)).Select(_ => Letters(random, 6 + random.Next(20)))];
            var text = Letters(random, 3000);
            for (var i = 0; i < 5; i++)
                patterns[random.Next(patterns.Length)].AsSpan().CopyTo(text.AsSpan(random.Next(2900)));
            var set = new PatternSet(patterns.DistinctBy(Convert.ToHexString));
            var found = new List<(int, int)>();
            for (var at = set.Find(text, 0, out var length, out _); at < text.Length; at = set.Find(text, at + 1, out length, out _))
            {
                if (length > 0)
                    found.Add((at, length));
            }
            var wanted = Enumerable.Range(0, text.Length)
                .Select(at => (at, patterns.Where(p => text.AsSpan(at).StartsWith(p)).Select(p => p.Length).DefaultIfEmpty().Max())).Where(f => f.Item2 > 0);
            Assert.Equal(wanted, found);
        }
    }

    [Fact]
    public void A_secret_that_goes_on_where_another_ends_shows_nothing_of_either()
    {
        string[] secrets = ["aaaaaabbbb", "bbbbcccccc", "ccccccddddee"];
        var text = "x aaaaaabbbbccccccddddee y"u8.ToArray();
        for (var cut = 0; cut <= text.Length; cut++)
            Assert.Equal("x *** y", Mask(secrets, text[..cut], text[cut..]));
    }

    [Fact]
    public void A_stream_of_nothing_but_a_secret_is_not_held_back_for_ever()
    {
        var mask = new SecretMask();
        mask.Add("aaaaaaaa");
        var output = new ArrayBufferWriter<byte>();
        for (var i = 0; i < 1000; i++)
        {
            mask.Write("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"u8, output);
        }
        Assert.True(output.WrittenCount > 100);
        mask.Flush(output);
        Assert.DoesNotContain("aaaaaaaa", Encoding.ASCII.GetString(output.WrittenSpan), StringComparison.Ordinal);
    }

    [Fact]
    public void After_thousands_of_tokens_the_newest_is_hidden_in_every_form_and_the_oldest_as_it_is()
    {
        var mask = new SecretMask();
        string Token(int i) => $"eyJ{i:d6}." + new string([.. Enumerable.Range(0, 900).Select(k => (char)('a' + ((i * 31) + (k * k)) % 26))]);
        for (var i = 0; i < 2000; i++)
            mask.Add(Token(i));
        var output = new ArrayBufferWriter<byte>();
        mask.Write(Encoding.ASCII.GetBytes($"{Token(0)} {Token(1999)} {Convert.ToBase64String(Encoding.ASCII.GetBytes("xy" + Token(1999)))}\n"), output);
        mask.Flush(output);
        Assert.StartsWith("*** *** ", Encoding.ASCII.GetString(output.WrittenSpan), StringComparison.Ordinal);
        Assert.True(output.WrittenCount < 30, Encoding.ASCII.GetString(output.WrittenSpan));
    }

    private static byte[] Letters(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => (byte)('a' + random.Next(2)))];

    private static void AssertHidden(string text)
    {
        var masked = Mask([Secret], Encoding.UTF8.GetBytes(text));
        Assert.Contains("***", masked, StringComparison.Ordinal);
        Assert.DoesNotContain("w0rd", masked, StringComparison.OrdinalIgnoreCase);
        foreach (var form in SecretVariants.Of(Secret).All)
            Assert.DoesNotContain(Encoding.UTF8.GetString(form), masked, StringComparison.Ordinal);
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
