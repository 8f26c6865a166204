using Lanyard.Testing.Installations;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Cache;

/// <summary>An installation with a runner, and definitions whose steps run the official client, or say that they have none.</summary>
public sealed class RunCacheScene : IAsyncLifetime
{
    private const string Script =
        """
        import { createRequire } from 'node:module';
        import * as fs from 'node:fs';
        import * as crypto from 'node:crypto';
        import * as http from 'node:http';
        const cache = createRequire(import.meta.url)(process.env.CLIENT ?? 'actions-cache-5');
        const hash = () => crypto.createHash('sha256').update(fs.readFileSync('d/content')).digest('hex');
        let ranges = 0;
        const write = http.ClientRequest.prototype.setHeader;
        http.ClientRequest.prototype.setHeader = function (name, value) {
          if (/^x-ms-range$/i.test(name)) ranges++;
          return write.call(this, name, value);
        };
        const said = {};
        const present = await cache.restoreCache(['d'], process.env.KEY);
        said.found = present ?? null;
        if (present === undefined) {
          fs.mkdirSync('d');
          fs.writeFileSync('d/content', crypto.randomBytes(12_000_000));
          said.hash = hash();
          said.saved = await cache.saveCache(['d'], process.env.KEY);
        } else {
          said.hash = hash();
        }
        said.ranges = ranges;
        said.pass = process.env.ACTIONS_RUNTIME_TOKEN;
        said.url = process.env.ACTIONS_RESULTS_URL;
        console.log('the pass is ' + said.pass);
        fs.writeFileSync('said', JSON.stringify(said));
        """;

    internal Installation Installation { get; private set; } = null!;

    internal StepMailbox Mailbox { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Installation = await Installation.StartAsync();
        Mailbox = new StepMailbox();
        var (node, modules) = await NodeScript.LocateAsync();
        var tools = Path.Combine(Installation.Folder, "tools");
        Directory.CreateDirectory(tools);
        File.Copy(node, Path.Combine(tools, "node"));
        await Command.RunAsync("cp", ["-r", modules, Path.Combine(tools, "node_modules")]);
        await File.WriteAllTextAsync(Path.Combine(tools, "script.mjs"), Script);
        var step = $"{tools}/node {tools}/script.mjs; {Mailbox.Say("\"$(cat said)\"")}";
        await Installation.ApplyAsync(
            Documents.Workspace("acme"),
            Documents.Collection("acme", "prod"),
            Documents.Collection("acme", "far"),
            Documents.Definition("acme", "prod", "build", step, "cache: {readRefs: [refs/heads/main]}"),
            Documents.Definition("acme", "prod", "reader", step, "cache: {mode: read, readRefs: [refs/heads/main]}"),
            Documents.Definition("acme", "far", "build", step, "cache: {readRefs: [refs/heads/main]}"),
            Documents.Definition("acme", "prod", "without", Mailbox.Say("\"${ACTIONS_RUNTIME_TOKEN-none} ${ACTIONS_RESULTS_URL-none}\""), "cache: {}", "cache: false"),
            Documents.Definition("acme", "prod", "plain", Mailbox.Say("\"${ACTIONS_RUNTIME_TOKEN-none} ${ACTIONS_RESULTS_URL-none}\"")));
        await Installation.StartApprovedRunnerAsync("host", ["acme/prod", "acme/far"], "--read-only", tools);
    }

    public async ValueTask DisposeAsync()
    {
        await Installation.DisposeAsync();
        await Mailbox.DisposeAsync();
    }
}
