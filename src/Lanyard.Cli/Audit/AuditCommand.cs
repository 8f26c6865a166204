using System.CommandLine;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;

namespace Lanyard.Cli.Audit;

/// <summary><c>lanyard audit [-f] [--verify]</c>: decisions and changes as JSON lines; or whether a chain of them is broken.</summary>
internal static class AuditCommand
{
    private const int MaxLimit = 1000;
    private const int WaitSeconds = 50;

    public static Command Create(CliContext context)
    {
        var follow = new Option<bool>("--follow", "-f") { Description = "go on with what happens from now" };
        var verify = new Option<bool>("--verify") { Description = "check the hash chains instead; exit code 1 if an event is missing or was changed" };
        var action = new Option<string?>("--action") { Description = "only events of this action, such as token.exchange" };
        var limit = new Option<int>("--limit") { Description = "the newest so many", DefaultValueFactory = _ => 100 };
        var command = new Command("audit", "Show or check the audit log.") { follow, verify, action, limit };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            using var api = context.Connect(arguments);
            if (arguments.GetValue(verify))
            {
                return await VerifyAsync(context, arguments, api, cancellationToken);
            }

            var filter = arguments.GetValue(action) is { } only ? $"action={Uri.EscapeDataString(only)}&" : "";
            await CopyAsync(context.Console.Out, api, filter, arguments.GetValue(follow), arguments.GetValue(limit), cancellationToken);
            return ExitCode.Done;
        });
        return command;
    }

    private static async Task<int> VerifyAsync(CliContext context, ParseResult arguments, ApiClient api, CancellationToken cancellationToken)
    {
        var report = await api.GetAsync("/v1/audit/verify", cancellationToken);
        var intact = report["intact"] is JsonValue value && value.TryGetValue<bool>(out var whole) && whole;
        context.Print(arguments, report, writer => Write(writer, report, intact));
        return intact ? ExitCode.Done : ExitCode.No;
    }

    private static void Write(TextWriter writer, JsonNode report, bool intact)
    {
        foreach (var chain in (report["chains"] as JsonArray ?? []).OfType<JsonObject>())
        {
            writer.WriteLine($"{HttpCall.Text(chain["chain"])}  {chain["events"]} events  {HttpCall.Text(chain["fault"]) ?? "whole"}");
        }

        writer.WriteLine(intact ? "every chain is whole" : "BROKEN");
    }

    /// <summary>JSON lines as the server sends them; each answer says where the next one begins.</summary>
    private static async Task CopyAsync(TextWriter writer, ApiClient api, string filter, bool follow, int limit, CancellationToken cancellationToken)
    {
        var query = $"{filter}limit={Math.Clamp(limit, 1, MaxLimit)}";
        while (true)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, $"{api.Server}/v1/audit?{query}");
            using var response = await api.SendAsync(request, cancellationToken);
            var text = await HttpCall.ReadTextAsync(response, cancellationToken);
            if (!response.IsSuccessStatusCode)
            {
                throw ApiClient.Stopped(new ApiAnswer(response.StatusCode, text, null), "audit");
            }

            await writer.WriteAsync(text.AsMemory(), cancellationToken);
            await writer.FlushAsync(cancellationToken);
            if (!follow)
            {
                return;
            }

            var next = response.Headers.TryGetValues("Lanyard-Next", out var values) ? values.First() : "";
            query = $"{filter}wait={WaitSeconds}{(next.Length == 0 ? "" : $"&after={Uri.EscapeDataString(next)}")}";
        }
    }
}
