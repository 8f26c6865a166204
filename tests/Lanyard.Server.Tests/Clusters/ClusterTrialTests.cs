using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Clusters;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Clusters;

[Line("2.7")]
public sealed class ClusterTrialTests
{
    private const string Url = "https://lanyard.example.com";
    private readonly SigningKey _key = SigningKey.Generate(SignatureAlgorithm.RS256);
    private readonly ShiftedTime _time = new();

    [Fact]
    public void A_fresh_token_of_the_runner_passes_every_line()
    {
        var report = Judge(Mint(), out var signed);

        Assert.True(report.Verified, TrialText.Of(report));
        Assert.True(signed);
        Assert.Equal(["issuer", "keys", "audience", "subject", "clock", "life"], report.Lines.Select(line => line.Name));
        Assert.All(report.Lines, line => Assert.Null(line.Wanted));
    }

    [Fact]
    public void A_key_that_signed_nothing_stops_no_registration_and_is_named_as_not_tried()
    {
        var others = Enumerable.Range(0, 7).Select(static _ => SigningKey.Generate(SignatureAlgorithm.ES256)).ToList();
        var keys = KeySet.Of(_key.Public, others[0].Public);
        var trial = new ClusterTrial(new TokenVerifier(_time), _time, Url);

        var report = trial.Judge(Spec(), keys, Mint(), out _);
        Assert.True(report.Verified, TrialText.Of(report));
        Assert.EndsWith($"signed by {_key.KeyId}; not tried: {others[0].KeyId}", report.Lines.Single(static line => line.Name == "keys").Seen, StringComparison.Ordinal);
        Assert.DoesNotContain("not tried", Judge(Mint(), out _).Lines.Single(static line => line.Name == "keys").Seen, StringComparison.Ordinal);

        var many = trial.Judge(Spec(), KeySet.Of([_key.Public, .. others.Select(static key => key.Public)]), Mint(), out _);
        Assert.EndsWith(" and 2 more", many.Lines.Single(static line => line.Name == "keys").Seen, StringComparison.Ordinal);
        others.ForEach(static key => key.Dispose());
    }

    [Theory]
    [InlineData("https://k8s.example.com/", "issuer")]
    [InlineData("https://other.example.com", "issuer")]
    [InlineData("HTTPS://k8s.example.com", "issuer")]
    public void A_foreign_issuer_is_one_wrong_line_and_the_others_are_still_told(string issuer, string wrong)
    {
        var report = Judge(Mint(issuer: issuer), out _);

        Assert.Equal([wrong], Wrong(report));
    }

    [Fact]
    public void Everything_that_is_wrong_is_told_at_once()
    {
        using var other = SigningKey.Generate(SignatureAlgorithm.RS256);
        var now = _time.GetUtcNow();
        var report = Judge(Mint(other, "https://x.example.com", "https://elsewhere.example.com", "system:serviceaccount:kube-system:default", now.AddHours(-3), now.AddHours(-2)), out var signed);

        Assert.False(report.Verified);
        Assert.False(signed);
        Assert.Equal(["issuer", "keys", "audience", "subject", "clock", "life"], Wrong(report));
    }

    [Theory]
    [InlineData(-3601, "clock")]
    [InlineData(120, "clock")]
    public void A_token_that_is_old_or_from_the_future_shows_no_control_now(int issuedSeconds, string wrong)
    {
        var now = _time.GetUtcNow();
        var report = Judge(Mint(issuedAt: now.AddSeconds(issuedSeconds), expiresAt: now.AddHours(1)), out _);

        Assert.Equal([wrong], Wrong(report));
    }

    [Fact]
    public void A_life_of_more_than_a_day_is_wrong()
    {
        var now = _time.GetUtcNow();

        Assert.Equal(["life"], Wrong(Judge(Mint(issuedAt: now, expiresAt: now.AddHours(25)), out _)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a.b.c")]
    [InlineData("no token")]
    public void What_is_no_token_is_a_report_and_no_failure(string token)
    {
        var report = Judge(token, out var signed);

        Assert.False(report.Verified);
        Assert.False(signed);
        Assert.Equal("token", Assert.Single(report.Lines).Name);
    }

    [Fact]
    public void Keys_that_cannot_be_had_are_a_wrong_line_without_the_cause_from_inside()
    {
        var trial = new ClusterTrial(new TokenVerifier(_time), _time, Url);
        var report = trial.Judge(Spec(), new Refusal(RefusalReason.IssuerUnreachable, "connect to 10.0.0.5:443 refused"), Mint(), out _);

        Assert.Equal(["keys"], Wrong(report));
        Assert.DoesNotContain("10.0.0.5", TrialText.Of(report), StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_token_says_cannot_steer_the_terminal_of_who_reads_the_report()
    {
        var report = Judge(Mint(subject: "\u001b[2Jsystem"), out _);

        Assert.DoesNotContain('\u001b', TrialText.Of(report));
    }

    private ClusterSpec Spec()
    {
        using var jwks = JsonDocument.Parse(KeySet.Of(_key.Public).ToJson());
        return new ClusterSpec("https://k8s.example.com", new ClusterKeys(Jwks: jwks.RootElement.Clone()), new ClusterSubject("lanyard", "runner"));
    }

    private TrialReport Judge(string token, out bool signed) =>
        new ClusterTrial(new TokenVerifier(_time), _time, Url).Judge(Spec(), KeySet.Of(_key.Public), token, out signed);

    private string Mint(
        SigningKey? key = null,
        string issuer = "https://k8s.example.com",
        string audience = Url,
        string subject = "system:serviceaccount:lanyard:runner",
        DateTimeOffset? issuedAt = null,
        DateTimeOffset? expiresAt = null) => TokenMint.Mint(key ?? _key, "JWT", new TokenClaims
        {
            Issuer = issuer,
            Subject = subject,
            Audiences = [audience],
            IssuedAt = issuedAt ?? _time.GetUtcNow(),
            ExpiresAt = expiresAt ?? _time.GetUtcNow().AddMinutes(10),
        });

    private static string[] Wrong(TrialReport report) => [.. report.Lines.Where(line => !line.Ok).Select(line => line.Name)];
}
