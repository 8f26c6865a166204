using System.CommandLine;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Lanyard.Cli.Connection;
using Lanyard.Cli.Definitions;
using Lanyard.Cli.Resources;
using Lanyard.Protocol.Aws;
using Lanyard.Protocol.Azure;

namespace Lanyard.Cli.TrustPolicies;

/// <summary>
/// <c>lanyard trust-policy aws|eks|gcp|azure|vault|kubernetes|oidc DEFINITION</c>: what to paste on the other side so that it believes the runs of one definition, and of no
/// other. Nothing is changed anywhere. What the other side would refuse is said on standard error, and the exit code is 1.
/// </summary>
internal static partial class TrustPolicyCommand
{
    public static Command Create(CliContext context)
    {
        var command = new Command("trust-policy", "Print what a cloud, Vault or a cluster must be told to believe a definition's runs.");
        var account = Text("--account", "AWS account, 12 digits", "000000000000");
        var partition = Text("--partition", "aws, aws-cn or aws-us-gov (default: the region's; else aws)");
        var region = Text("--region", "AWS region, which tells the partition; of an EKS cluster, the only one that the role may find it in");
        var role = Text("--role", "role on the other side (default: lanyard-DEFINITION; of Kubernetes: view)");
        var cluster = Text("--cluster", "EKS cluster", "CLUSTER");
        var policy = Text("--policy", "EKS access policy, or Vault policy (default: AmazonEKSViewPolicy; of Vault: the role's name)");
        var namespaces = new Option<string[]>("--namespace") { Description = "only in this namespace; may be repeated", DefaultValueFactory = _ => [] };
        var provider = Text("--provider", "projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER");
        var serviceAccount = Text("--service-account", "Google service account to act as, by its e-mail address");
        var client = Text("--client-id", "Entra application (client) id", "00000000-0000-0000-0000-000000000000");
        var mount = Text("--mount", "path of Vault's JWT auth method", "jwt");

        AwsPlace Place(ParseResult a) => new(Partition(a, partition, region), Account(a, account), Word(a, region));
        string[] AwsAudiences(ParseResult? a) => a is not null && Partition(a, partition, region) == AwsPartition.China
            ? [AwsPartition.AudienceInChina, AwsPartition.Audience] : [AwsPartition.Audience];
        command.Subcommands.Add(Target(context, "aws", "AWS IAM: provider and role.", AwsAudiences, [account, partition, region, role], (side, a, hcl) =>
            hcl ? AwsTrust.Hcl(side, Role(a, role, side)) : AwsTrust.Commands(side, Place(a), Role(a, role, side))));
        command.Subcommands.Add(Target(context, "eks", "EKS: provider, role, access entry.", AwsAudiences, [account, partition, region, role, cluster, policy, namespaces], (side, a, hcl) => hcl
            ? AwsTrust.EksHcl(side, Place(a), Role(a, role, side), Word(a, cluster)!, Word(a, policy) ?? "AmazonEKSViewPolicy", Names(a, namespaces))
            : AwsTrust.Eks(side, Place(a), Role(a, role, side), Word(a, cluster)!, Word(a, policy) ?? "AmazonEKSViewPolicy", Names(a, namespaces))));
        command.Subcommands.Add(Target(context, "gcp", "Google Cloud: workload identity pool and provider.", null, [provider, serviceAccount], (side, a, hcl) =>
            hcl ? GoogleTrust.Hcl(side, Provider(a, provider, side), Word(a, serviceAccount)) : GoogleTrust.Commands(side, Provider(a, provider, side), Word(a, serviceAccount))));
        command.Subcommands.Add(Target(context, "azure", "Entra ID: federated credential.", static _ => [.. AzureCloud.Audiences], [client], (side, a, hcl) =>
            hcl ? AzureTrust.Hcl(side, Word(a, client)!) : AzureTrust.Commands(side, Word(a, client)!)));
        command.Subcommands.Add(Target(context, "vault", "Vault or OpenBao: JWT auth role.", null, [role, policy, mount], (side, a, hcl) => hcl
            ? VaultTrust.Hcl(side, Role(a, role, side), Word(a, policy) ?? Role(a, role, side), Word(a, mount)!)
            : VaultTrust.Commands(side, Role(a, role, side), Word(a, policy) ?? Role(a, role, side), Word(a, mount)!)));
        command.Subcommands.Add(Target(context, "kubernetes", "Kubernetes: AuthenticationConfiguration and RBAC.", null, [role, namespaces], (side, a, hcl) => hcl
            ? KubernetesTrust.Hcl(side, Word(a, role) ?? "view", Names(a, namespaces))
            : KubernetesTrust.Documents(side, Word(a, role) ?? "view", Names(a, namespaces))));
        command.Subcommands.Add(Target(context, "oidc", "Any other party that verifies tokens: what it must be told.", null, [], static (side, _, hcl) => hcl ? OidcTrust.Hcl(side) : OidcTrust.Document(side)));
        return command;
    }

    private static Command Target(
        CliContext context, string name, string description, Func<ParseResult?, string[]>? usual, Option[] options, Func<TrustSide, ParseResult, bool, string> print)
    {
        var definition = new Argument<string>("definition");
        var audience = new Option<string?>("--audience") { Description = usual is null ? "whose tokens (default: the only one of the definition)" : $"default: {usual(null)[0]}" };
        var subject = new Option<string?>("--subject") { Description = "name of another of the audience's subject templates" };
        var hcl = new Option<bool>("--hcl") { Description = "for OpenTofu or Terraform" };
        var values = new SubjectValues();
        var scope = new ScopeOptions();
        var command = new Command(name, description) { definition, audience, subject, hcl };
        Array.ForEach(options, command.Options.Add);
        values.AddTo(command);
        scope.AddTo(command);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var slug = arguments.GetValue(definition)!;
            using var api = context.Connect(arguments);
            var list = await api.GetAsync(values.Path(arguments, context.Console, scope, slug), cancellationToken);
            var item = Choose(list, arguments.GetValue(audience) is { } said ? [said] : usual?.Invoke(arguments) ?? [], arguments.GetValue(subject), slug);
            var workspace = await api.GetAsync($"/v1/workspaces/{scope.GetWorkspace(arguments, context.Console)}", cancellationToken);
            var side = new TrustSide(
                HttpCall.Text(list["issuer"])!, HttpCall.Text(item["audience"])!,
                HttpCall.Text(item["example"]) ?? throw new CommandStopped(ExitCode.No, string.Join('\n', SubjectPreviewCommand.ProblemsOf(item))),
                HttpCall.Text(workspace["id"])!, slug);
            context.Console.Out.WriteLine(print(side, arguments, arguments.GetValue(hcl)));
            var problems = SubjectPreviewCommand.ProblemsOf(item).Concat(Unsettled(side)).ToList();
            problems.ForEach(problem => context.Console.Error.WriteLine($"! {Printing.Plain(problem)}"));
            return problems.Count == 0 ? ExitCode.Done : ExitCode.No;
        });
        return command;
    }

    private static IEnumerable<string> Unsettled(TrustSide side) => side.Subject.Contains('<', StringComparison.Ordinal)
        ? ["the subject has parts that only a run knows: say them (--runner …), or choose a template without them with --subject"]
        : [];

    /// <param name="usual">The audiences that would do, the best first; none: the only one that there is.</param>
    private static JsonObject Choose(JsonNode list, string[] usual, string? subject, string definition)
    {
        var items = (list["items"] as JsonArray ?? []).OfType<JsonObject>().ToList();
        var audiences = items.Select(static item => HttpCall.Text(item["audience"])!).Distinct().ToList();
        var wanted = usual.FirstOrDefault(audiences.Contains) ?? usual.FirstOrDefault() ?? (audiences.Count == 1 ? audiences[0] : throw new CommandStopped(ExitCode.Usage, $"which audience? {definition} has {string.Join(", ", audiences)}: give --audience."));
        return items.Find(item => HttpCall.Text(item["audience"]) == wanted && (subject is null ? (bool?)item["isDefault"] == true : HttpCall.Text(item["name"]) == subject))
            ?? throw new CommandStopped(ExitCode.Usage, $"{definition} has no {(subject is null ? "" : $"subject {subject} for the ")}audience {wanted}; it has {string.Join(", ", audiences)}.");
    }

    private static Option<string?> Text(string name, string description, string? usual = null) =>
        new(name) { Description = usual is null ? description : $"{description} (default {usual})", DefaultValueFactory = _ => usual };

    private static string Role(ParseResult arguments, Option<string?> option, TrustSide side) => Word(arguments, option) ?? $"lanyard-{side.Name}";

    private static string Account(ParseResult arguments, Option<string?> option) =>
        arguments.GetValue(option) is { Length: 12 } account && account.All(char.IsAsciiDigit) ? account : throw new CommandStopped(ExitCode.Usage, "--account: 12 digits are wanted.");

    private static string Partition(ParseResult arguments, Option<string?> partition, Option<string?> region)
    {
        var ofRegion = Word(arguments, region) is { } named
            ? AwsPartition.OfRegion(named) ?? throw new CommandStopped(ExitCode.Usage, $"--region {named}: a region of {string.Join(", ", AwsPartition.All)} is wanted.")
            : null;
        var said = Word(arguments, partition);
        if (said is not null && !AwsPartition.All.Contains(said)) throw new CommandStopped(ExitCode.Usage, $"--partition {said}: one of {string.Join(", ", AwsPartition.All)} is wanted.");
        return said is null || ofRegion is null || said == ofRegion
            ? said ?? ofRegion ?? AwsPartition.Standard
            : throw new CommandStopped(ExitCode.Usage, $"--region {Word(arguments, region)} is in the partition {ofRegion}, not in {said}.");
    }

    /// <summary>The provider is in the audience unless another was chosen.</summary>
    private static string Provider(ParseResult arguments, Option<string?> option, TrustSide side)
    {
        const string before = "iam.googleapis.com/";
        var at = side.Audience.IndexOf(before, StringComparison.Ordinal);
        return arguments.GetValue(option) ?? (at < 0 ? throw new CommandStopped(ExitCode.Usage, "which provider? Give --provider.") : side.Audience[(at + before.Length)..]);
    }

    private static string[] Names(ParseResult arguments, Option<string[]> option) =>
        arguments.GetValue(option) is { } names && names.All(static name => WordPattern().IsMatch(name)) ? names : throw new CommandStopped(ExitCode.Usage, "--namespace: a name of a namespace is wanted.");

    // What is printed is pasted into a shell: nothing but a word gets there from the command line.
    private static string? Word(ParseResult arguments, Option<string?> option) =>
        arguments.GetValue(option) is not { } word || WordPattern().IsMatch(word) ? arguments.GetValue(option) : throw new CommandStopped(ExitCode.Usage, $"{option.Name}: a word of letters, digits and . _ - + = , @ / is wanted.");

    [GeneratedRegex(@"^[A-Za-z0-9._+=,@/-]{1,256}$")]
    private static partial Regex WordPattern();
}
