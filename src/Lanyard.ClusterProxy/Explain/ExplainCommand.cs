using Lanyard.ClusterProxy.AccessEntries;
using Lanyard.ClusterProxy.Authentication;
using Lanyard.ClusterProxy.Configuration;
using Lanyard.ClusterProxy.Impersonation;
using Lanyard.Identity;
using Lanyard.Identity.Tokens;
using Lanyard.Protocol.Terminal;

namespace Lanyard.ClusterProxy.Explain;

/// <summary>
/// <c>lanyard explain - --authentication-config FILE</c>: every step that the cluster proxy would take with a token, and the one that refuses, from the
/// proxy's own files and with no server. A token is never an argument.
/// </summary>
internal static class ExplainCommand
{
    private const int MaxToken = 64 * 1024;

    private static readonly IReadOnlyList<Flag> Flags =
    [
        new("--authentication-config", "The proxy's AuthenticationConfiguration file."),
        new("--access-entries", "The proxy's file of access entries."),
        new("--file", "A file with the token, instead of - for standard input."),
        new("--allow-reserved-users", "As the proxy has it.", Repeats: true),
        new("--allow-reserved-groups", "As the proxy has it.", Repeats: true),
        .. OidcFlags.Flags,
    ];

    public static string Help(int width) =>
        HelpColumns.Paragraph("Usage:", "lanyard explain -|--file FILE --authentication-config FILE [--access-entries FILE], with the proxy's own files: no server is asked", width)
        + HelpColumns.Of([.. Flags.Select(static flag => (flag.Name, flag.Help))], width);

    /// <exception cref="ConfigurationException">The command line or a file has mistakes.</exception>
    public static async Task<int> RunAsync(string[] args, TextReader input, TextWriter output, TimeProvider time)
    {
        var line = CommandLine.Parse([.. args.Where(a => a != "-")], Flags);
        var rules = ReadRules(line, args.Contains("-"));
        var token = (line.Text("--file") is { } file ? await File.ReadAllTextAsync(file) : await input.ReadToEndAsync()).TrimEnd('\r', '\n');
        if (token.Length is 0 or > MaxToken)
        {
            throw new ArgumentException("there is no token in it, or far too much");
        }

        using var keys = new IssuerKeys(time);
        var trace = new Trace();
        var outcome = await new TokenAuthentication(new TokenVerifier(time), keys.GetAsync, rules, time).JudgeAsync(token, trace, CancellationToken.None);
        if (outcome.IsRefused && trace.Steps.All(s => s.Passed))
        {
            trace.Refuse(outcome.Refusal);
        }

        foreach (var step in trace.Steps)
        {
            await output.WriteLineAsync($"{(step.Passed ? "ok " : "NO ")} {step.Stage,-12} {Plain(step.Text)}");
        }

        if (outcome.IsRefused)
        {
            return 1;
        }

        await WriteUserAsync(output, outcome.Value.User);
        return 0;
    }

    private static AuthenticationRules ReadRules(CommandLine line, bool fromInput)
    {
        if (fromInput == line.Has("--file"))
        {
            line.Mistakes.Add("explain", "give - for a token on standard input, or --file");
        }

        var oidc = OidcFlags.Read(line);
        if (line.Has("--authentication-config") == OidcFlags.AreUsed(line))
        {
            line.Mistakes.Add("--authentication-config", "give either it or the --oidc-… flags");
        }

        if (line.Mistakes.Any)
        {
            throw new ConfigurationException("the command line", line.Mistakes);
        }

        var reserved = new ReservedNames(line.List("--allow-reserved-users"), line.List("--allow-reserved-groups"));
        var authenticators = line.Text("--authentication-config") is { } file ? AuthenticationFile.Parse(File.ReadAllText(file), file) : [oidc!];
        var entries = line.Text("--access-entries") is { } entryFile ? AccessEntryFile.Parse(File.ReadAllText(entryFile), entryFile) : null;
        return new AuthenticationRules(authenticators, entries, reserved);
    }

    private static async Task WriteUserAsync(TextWriter output, KubernetesUser user)
    {
        await output.WriteLineAsync($"user:   {Plain(user.Name)}");
        foreach (var group in user.Groups)
        {
            await output.WriteLineAsync($"group:  {Plain(group)}");
        }

        if (user.Uid is not null)
        {
            await output.WriteLineAsync($"uid:    {Plain(user.Uid)}");
        }

        foreach (var extra in user.Extras)
        {
            await output.WriteLineAsync($"extra:  {Plain(extra.Key)}={Plain(extra.Value)}");
        }
    }

    private static string Plain(string text) => string.Concat(text.Select(c => char.IsControl(c) ? (char)0xfffd : c));
}
