using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;
using Lanyard.Cli.Resources;

namespace Lanyard.Cli.TrustPolicies;

/// <summary><c>lanyard policy test FILE --against last-7d</c>: what drafts of trust policies would have made of decisions of the past.</summary>
internal static class PolicyTestCommand
{
    public static Command Create(CliContext context)
    {
        var files = new Argument<string[]>("file") { Description = "documents with trust policies; - is standard input", Arity = ArgumentArity.OneOrMore };
        var against = new Option<string>("--against") { Description = "last-7d, last-12h, or a time (RFC 3339) since when", DefaultValueFactory = static _ => "last-7d" };
        var test = new Command("test", "Judge past decisions by drafts of policies; exit code 1 if any would be another. The server must keep claims (--audit-claims).") { files, against };
        test.SetAction(async (arguments, cancellationToken) =>
        {
            var since = SinceOf(arguments.GetValue(against)!, context.Console.Time.GetUtcNow());
            var documents = (await ResourceFile.ReadAsync(arguments.GetValue(files)!, context.Console, cancellationToken)).Where(static one => one.Document.Kind.Name == "TrustPolicy").ToList();
            if (documents.Count == 0) throw new CommandStopped(ExitCode.Usage, "there is no trust policy in it.");
            using var api = context.Connect(arguments);
            var reports = new JsonObject();
            foreach (var (file, document) in documents)
            {
                var body = new JsonObject { ["since"] = since.ToString("O", CultureInfo.InvariantCulture), ["spec"] = document.Spec.DeepClone() };
                var answer = await api.SendAsync(HttpMethod.Post, document.Path + "/replay", body, cancellationToken: cancellationToken);
                reports[document.Title] = answer is { IsSuccess: true, Json: { } report } ? report.DeepClone() : throw ResourceFile.Refused(file, document.Title, document.Source, answer);
            }

            context.Print(arguments, reports, writer => Write(writer, reports));
            return reports.All(static one => Count(one.Value!, "newlyAllowed") + Count(one.Value!, "newlyRefused") == 0) ? ExitCode.Done : ExitCode.No;
        });
        return new Command("policy", "Drafts of trust policies.") { test };
    }

    private static DateTimeOffset SinceOf(string text, DateTimeOffset now)
    {
        if (text.StartsWith("last-", StringComparison.Ordinal) && text.Length > 6 && int.TryParse(text[5..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number is > 0 and < 10_000)
        {
            if (text[^1] == 'd') return now.AddDays(-number);
            if (text[^1] == 'h') return now.AddHours(-number);
        }

        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var since)
            ? since
            : throw new CommandStopped(ExitCode.Usage, "--against: last-7d, last-12h, or a time such as 2026-11-01T00:00:00Z");
    }

    private static void Write(TextWriter writer, JsonObject reports)
    {
        foreach (var (title, report) in reports)
        {
            writer.WriteLine(Printing.Plain($"{title}: {(long?)report!["events"]} decisions, {Count(report, "newlyAllowed")} newly allowed, {Count(report, "newlyRefused")} newly refused, {(long?)report["undecided"]} undecided"));
            foreach (var one in Of(report, "newlyAllowed"))
                writer.WriteLine(Printing.Plain($"  + {HttpCall.Text(one["at"])} {HttpCall.Text(one["subject"])} ({HttpCall.Text(one["was"])} then) would be {HttpCall.Text(one["principal"])}  {HttpCall.Text(one["event"])}"));
            foreach (var one in Of(report, "newlyRefused"))
                writer.WriteLine(Printing.Plain($"  - {HttpCall.Text(one["at"])} {HttpCall.Text(one["subject"])}: {HttpCall.Text(one["why"])}  {HttpCall.Text(one["event"])}"));
        }
    }

    private static int Count(JsonNode report, string list) => (report[list] as JsonArray)?.Count ?? 0;

    private static IEnumerable<JsonObject> Of(JsonNode report, string list) => (report[list] as JsonArray ?? []).OfType<JsonObject>();
}
