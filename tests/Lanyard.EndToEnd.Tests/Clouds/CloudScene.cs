using Lanyard.Testing.Installations;
using Lanyard.Testing.Processes;

namespace Lanyard.EndToEnd.Tests.Clouds;

/// <summary>An installation with one definition whose step runs a script with a cloud's own client library, and says what came of it.</summary>
internal sealed class CloudScene : IAsyncDisposable
{
    private readonly Installation _installation;
    private readonly StepMailbox _mailbox = new();
    private readonly string _tools;
    private readonly string _folder;
    private readonly string _before;

    /// <summary>More that steps may read: tools of this machine that lie outside <c>/usr</c>.</summary>
    public IReadOnlyList<string> More { get; init; } = [];

    private CloudScene(Installation installation, string tools, string folder, string before) =>
        (_installation, _tools, _folder, _before) = (installation, tools, folder, before);

    public string Issuer => _installation.IssuerOf("acme");

    /// <param name="before">Shell that the step runs before the script.</param>
    public static async Task<CloudScene> StartAsync(CloudTools tools, string script, string before = ":", params IReadOnlyList<string> more)
    {
        var installation = await Installation.StartAsync();
        var folder = Path.Combine(installation.Folder, "script");
        Directory.CreateDirectory(folder);
        Directory.CreateSymbolicLink(Path.Combine(folder, "node_modules"), Path.Combine(tools.Folder, "node_modules"));
        await File.WriteAllTextAsync(Path.Combine(folder, "script.mjs"), script);
        return new CloudScene(installation, tools.Folder, folder, before) { More = more };
    }

    /// <param name="cloud">One member of the collection's <c>cloud</c> block.</param>
    /// <param name="audiences">A member of the definition's spec.</param>
    /// <param name="certificate">Of a cloud that speaks TLS.</param>
    public async Task ApplyCollectionAsync(string cloud, string audiences = "audiences: []", string? certificate = null)
    {
        if (certificate is not null) await File.WriteAllTextAsync(Path.Combine(_folder, "ca.pem"), certificate);
        var trust = certificate is null ? "" : $"NODE_EXTRA_CA_CERTS={_folder}/ca.pem ";
        var step = $"{_before}; {trust}{_tools}/node {_folder}/script.mjs; {_mailbox.Say("\"$(cat said)\"")}";
        await _installation.ApplyAsync(
            Documents.Workspace("acme"),
            $$"""
            kind: Collection
            metadata: {workspace: acme, slug: prod}
            spec:
              cloud:
                {{cloud}}
            """,
            Documents.Definition("acme", "prod", "deploy", step, audiences));
        await _installation.StartApprovedRunnerAsync("host", ["acme/prod"], [.. More.Append(_tools).Append(_folder).SelectMany(static path => (string[])["--read-only", path])]);
    }

    /// <returns>The run and what its client said.</returns>
    public async Task<(string Run, string Said)> RunAsync(string? phase = null)
    {
        var run = (await _installation.LanyardAsync(["run", "deploy", "-w", "acme", "-c", "prod", .. phase is null ? [] : new[] { "--phase", phase }])).Succeeded().Trim();
        var message = await _mailbox.ReceiveAsync(TimeSpan.FromSeconds(120));
        await message.AnswerAsync();
        var view = await _installation.WaitForEndAsync("acme", "prod", run);
        return view["state"]!.GetValue<string>() == "succeeded" ? (run, message.Text) : throw new InvalidOperationException($"{message.Text}: {view.ToJsonString()}");
    }

    public async ValueTask DisposeAsync()
    {
        await _mailbox.DisposeAsync();
        await _installation.DisposeAsync();
    }
}
