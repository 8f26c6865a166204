using Lanyard.ClusterProxy.Authentication;
using Lanyard.ClusterProxy.Configuration;
using Lanyard.Protocol.Terminal;

namespace Lanyard.ClusterProxy.AccessEntries;

/// <summary><c>lanyard access-entry list|lint|preset|rbac</c>: everything about a file of access entries that needs no proxy and no cluster, and RBAC for a proxy without one.</summary>
internal static class AccessEntryCommand
{
    public const string Usage = """
        usage: lanyard access-entry list   --access-entries FILE
               lanyard access-entry lint   --access-entries FILE
               lanyard access-entry preset github|gitlab|bitbucket|buildkite|lanyard --name NAME [--group GROUP]... [--issuer URL] FLAGS OF THE PRESET
               lanyard access-entry rbac   --access-entries FILE | --authentication-config FILE [--service-account NAME] [--namespace NAMESPACE] [--allow-as] [--extra-user-headers KEY=VALUE,...] [--extra-user-header-client-ip] [--grant ROLE:NAMESPACE[:ENTRY]]...

        lint ends with 1 where there are warnings, with 2 where there are mistakes.
        rbac prints what the proxy's service account must be allowed, and a role binding for each --grant (ROLE is view, edit or admin; with access entries).
        """;

    private const string File = "--access-entries";
    private const string Mappings = "--authentication-config";

    /// <exception cref="ConfigurationException">The command line or the file has mistakes.</exception>
    public static int Run(string[] args, TextWriter output)
    {
        if (args is ["help", ..] || args.Any(static word => word is "--help" or "-h"))
        {
            output.WriteLine(HelpColumns.Usage(Usage, HelpColumns.TerminalWidth()));
            return 0;
        }

        switch (args)
        {
            case ["list" or "ls", .. var rest]:
                return List(CommandLine.Parse(rest, [new(File, "")]), output);
            case ["lint", .. var rest]:
                return Lint(CommandLine.Parse(rest, [new(File, "")]), output);
            case ["preset", var kind, .. var rest]:
                return Preset(kind, rest, output);
            case ["rbac", .. var rest]:
                return Rbac(CommandLine.Parse(rest, [new(File, ""), new(Mappings, ""), new("--service-account", ""), new("--namespace", ""), new("--allow-as", "", IsSwitch: true), new("--grant", "", Repeats: true), .. ExtraHeaderFlags.OfExtras]), output);
            default:
                output.WriteLine(HelpColumns.Usage(Usage, HelpColumns.TerminalWidth()));
                return 2;
        }
    }

    private static int List(CommandLine line, TextWriter output)
    {
        var rows = Entries(line).Select(e => new[] { e.Name, e.Issuer, e.Text.Username, string.Join(",", e.Text.Groups) }).Prepend(["NAME", "ISSUER", "USERNAME", "GROUPS"]).ToList();
        var widths = Enumerable.Range(0, 4).Select(i => rows.Max(r => r[i].Length)).ToList();
        foreach (var row in rows)
        {
            output.WriteLine(string.Join("  ", row.Select((cell, i) => cell.PadRight(widths[i]))).TrimEnd());
        }

        return 0;
    }

    private static int Lint(CommandLine line, TextWriter output)
    {
        var entries = Entries(line);
        var warnings = EntryLint.Warnings(entries).ToList();
        warnings.ForEach(output.WriteLine);
        output.WriteLine($"{entries.Count} entries, {warnings.Count} warnings");
        return warnings.Count == 0 ? 0 : 1;
    }

    private static int Preset(string kind, string[] rest, TextWriter output)
    {
        if (!EntryPresets.All.TryGetValue(kind, out var preset))
        {
            var none = new Mistakes();
            none.Add("preset", $"{kind} is none of {string.Join(", ", EntryPresets.All.Keys)}");
            throw new ConfigurationException("the command line", none);
        }

        var own = preset.Required.Concat(preset.Optional).ToList();
        var line = CommandLine.Parse(rest, [new("--name", ""), new("--issuer", ""), new("--group", "", Repeats: true), .. own.Select(f => new Flag(f.Flag, f.Help))]);
        foreach (var (flag, _, help) in preset.Required.Where(f => string.IsNullOrEmpty(line.Text(f.Flag))))
        {
            line.Mistakes.Add(flag, $"needed: {help}");
        }

        var issuer = line.Text("--issuer") ?? preset.Issuer;
        if (issuer is null)
        {
            line.Mistakes.Add("--issuer", "needed: the issuer's URL, exactly as in iss");
        }

        Check(line);
        var claims = own.Where(f => line.Has(f.Flag)).Select(f => (f.Claim, line.Text(f.Flag)!)).ToList();
        output.Write(EntryPresets.Write(kind, preset, line.Text("--name") ?? $"{kind}-{claims[0].Item2.Trim('{', '}')}", issuer!, claims, line.Texts("--group")));
        return 0;
    }

    private static int Rbac(CommandLine line, TextWriter output)
    {
        IReadOnlyList<AccessEntry> entries = line.Has(Mappings) ? [] : Entries(line);
        var names = line.Has(Mappings) ? OfMappings(line) : ImpersonatedNames.Of(entries);
        names = names with { ExtraKeys = [.. names.ExtraKeys, .. ExtraHeaderFlags.KeysOf(line)] };
        Check(line);
        var parts = new List<string>
        {
            EntryRbac.ForProxy(names, line.Text("--service-account") ?? "cluster-proxy", line.Text("--namespace") ?? "lanyard", line.Switch("--allow-as")),
        };
        foreach (var text in line.Texts("--grant"))
        {
            if (text.Split(':', 3) is not [("view" or "edit" or "admin") and var role, { Length: > 0 } space, .. var entry])
            {
                line.Mistakes.Add("--grant", $"{text} is not view:NAMESPACE, edit:NAMESPACE or admin:NAMESPACE, with :ENTRY or without");
            }
            else if (EntryRbac.ForGrant(new EntryGrant(role, space, entry.FirstOrDefault()), entries, out var mistake) is { } binding)
            {
                parts.Add(binding);
            }
            else
            {
                line.Mistakes.Add("--grant", mistake!);
            }
        }

        Check(line);
        output.Write(string.Join("---\n", parts));
        return 0;
    }

    private static ImpersonatedNames OfMappings(CommandLine line)
    {
        foreach (var other in ((string[])[File, "--grant"]).Where(line.Has))
        {
            line.Mistakes.Add(other, $"not with {Mappings}: access entries take the mappings' place, and only entries have names that can be granted something");
        }

        Check(line);
        var file = line.Text(Mappings)!;
        return ImpersonatedNames.Of(AuthenticationFile.Parse(System.IO.File.ReadAllText(file), file));
    }

    private static IReadOnlyList<AccessEntry> Entries(CommandLine line)
    {
        if (!line.Has(File))
        {
            line.Mistakes.Add(File, "needed");
        }

        Check(line);
        var file = line.Text(File)!;
        return AccessEntryFile.Parse(System.IO.File.ReadAllText(file), file);
    }

    private static void Check(CommandLine line)
    {
        if (line.Mistakes.Any)
        {
            throw new ConfigurationException("the command line", line.Mistakes);
        }
    }
}
