using System.Text;
using Lanyard.Bench.Parts;
using Lanyard.Bench.Rows;
using Lanyard.Protocol.OAuth;

namespace Lanyard.Bench.Exchange;

/// <summary>The token endpoint over HTTP with the audit on, against oidc-provider's, each alone on one core, in tokens per CPU-second of the server.</summary>
internal static class ExchangeBench
{
    private const string Unit = "tokens / server CPU-s";
    private static readonly TimeSpan Slice = TimeSpan.FromSeconds(1.5);

    public static async Task<(List<BenchRow> Rows, string Note)> RunAsync()
    {
        await using var installation = await BenchInstallation.StartAsync();
        using var es256 = await IssuerPeer.StartAsync("ES256");
        using var rs256 = await IssuerPeer.StartAsync("RS256");
        BenchInstallation.Pin(installation.ServerId, 0);
        var ours = new TokenLoad(installation.Url);
        var subject = installation.SubjectToken();
        var api = Form(installation, "/token", subject, null);
        var identity = Form(installation, "/oidc/acme/token", subject, BenchInstallation.OutsideAudience);
        byte[] Fresh() => Form(installation, "/token", installation.SubjectToken(), null);
        foreach (var request in (Func<byte[]>[])[() => api, Fresh, () => identity])
            await WarmUp.RunAsync(() => ours.RunAsync(installation.ServerId, request, TimeSpan.FromSeconds(2)));
        int[] processes = [installation.ServerId, es256.Id, rs256.Id];
        var medians = await new RoundLoop("exchange", processes, TimeSpan.FromSeconds(70)).RunAsync(async () => new()
        {
            ["api"] = await ours.RunAsync(installation.ServerId, () => api, Slice),
            ["peer ES256"] = await es256.RunAsync(Slice),
            ["fresh"] = await ours.RunAsync(installation.ServerId, Fresh, Slice),
            ["identity"] = await ours.RunAsync(installation.ServerId, () => identity, Slice),
            ["peer RS256"] = await rs256.RunAsync(Slice),
        });
        const string peer = "oidc-provider 9.13.3";
        return (
            [
                BenchRow.Rate("exchange, ES256, subject token remembered", medians["api"], medians["peer ES256"], peer, Unit, 4, 2500),
                BenchRow.Rate("exchange, ES256, every subject token new", medians["fresh"], medians["peer ES256"], peer, Unit, 3, 2500),
                BenchRow.Rate("exchange, RS256, subject token remembered", medians["identity"], medians["peer RS256"], peer, Unit, 1.6, 1490),
            ],
            medians.Note);
    }

    private static byte[] Form(BenchInstallation installation, string path, string subject, string? audience)
    {
        var form = $"grant_type={Uri.EscapeDataString(OAuthNames.GrantTokenExchange)}&subject_token_type={Uri.EscapeDataString(OAuthNames.TokenTypeJwt)}&subject_token={subject}";
        if (audience is not null)
            form += $"&audience={Uri.EscapeDataString(audience)}";
        return LeanHttp.Request(installation.Url, "POST", path, null, "application/x-www-form-urlencoded", Encoding.ASCII.GetBytes(form));
    }
}
