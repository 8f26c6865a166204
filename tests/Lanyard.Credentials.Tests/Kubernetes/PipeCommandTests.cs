using Lanyard.Testing;
using Xunit;

namespace Lanyard.Credentials.Tests.Kubernetes;

/// <summary>What a pipe's variables make of kubectl, seen by a kubectl that says what it was given; with real ones see the end-to-end tests.</summary>
[Line("6.9")]
public sealed class PipeCommandTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-pipe-").FullName;
    private readonly StringWriter _output = new();
    private readonly StringWriter _diagnosis = new();
    private readonly Dictionary<string, string?> _environment = [];

    public PipeCommandTests()
    {
        var kubectl = Path.Combine(_folder, "kubectl");
        // It writes one line for each call: its words in brackets, and its input where it is told to read it.
        File.WriteAllText(kubectl, $$"""
            #!/bin/sh
            { for word in "$@"; do printf '[%s]' "$word"; done; case "$*" in *"-f -"*) printf ' <%s>' "$(cat)";; esac; echo; } >> '{{_folder}}/calls'
            case "$1" in label) echo '{"labelled":true}';; fail) exit 7;; esac
            test -f "$KUBECONFIG"
            """);
        File.SetUnixFileMode(kubectl, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        File.WriteAllText(Path.Combine(_folder, "app.yaml"), "kind: ConfigMap");
        _environment["LANYARD_KUBECTL"] = kubectl;
        _environment["LANYARD_CLUSTER_SERVER"] = "https://proxy.example";
        _environment["CLUSTER_NAME"] = "demo";
        _environment["BITBUCKET_STEP_OIDC_TOKEN"] = "eyJh.eyJleHAiOjE3MDAwMDAwMDB9.c2ln";
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_command_is_run_as_it_is_with_its_further_arguments_as_words_or_as_Bitbuckets_list()
    {
        _environment["KUBECTL_COMMAND"] = "get pods -o 'jsonpath={.items[*].metadata.name}'";
        _environment["KUBECTL_ARGS"] = "-n prod";
        Assert.Equal(0, await RunAsync());
        _environment["KUBECTL_ARGS_COUNT"] = "2";
        _environment["KUBECTL_ARGS_0"] = "--selector";
        _environment["KUBECTL_ARGS_1"] = "a in (b, c)";
        Assert.Equal(0, await RunAsync());
        _environment["KUBECTL_COMMAND"] = "fail";
        Assert.Equal(7, await RunAsync());

        Assert.Equal(
            [
                "[get][pods][-o][jsonpath={.items[*].metadata.name}][-n][prod]", "[get][pods][-o][jsonpath={.items[*].metadata.name}][--selector][a in (b, c)]",
                "[fail][--selector][a in (b, c)]",
            ],
            Calls());
    }

    [Fact]
    public async Task Apply_labels_what_it_applies_with_the_commit_and_the_jobs_own_labels()
    {
        _environment["KUBECTL_COMMAND"] = "apply";
        _environment["RESOURCE_PATH"] = Path.Combine(_folder, "app.yaml");
        _environment["BITBUCKET_COMMIT"] = "0a1b2c";
        _environment["BITBUCKET_STEP_TRIGGERER_UUID"] = "{1-2}";
        _environment["BITBUCKET_DEPLOYMENT_ENVIRONMENT"] = "what is no label's value";
        _environment["LABELS"] = "team=core tier=";
        _environment["KUBECTL_ARGS"] = "--dry-run=server";
        Assert.Equal(0, await RunAsync());

        _environment["WITH_DEFAULT_LABELS"] = "false";
        _environment["LABELS"] = "";
        _environment["KUBECTL_APPLY_ARGS"] = "-R -f";
        Assert.Equal(0, await RunAsync());

        var file = _environment["RESOURCE_PATH"];
        Assert.Equal(
            [
                $"[label][-f][{file}][--local][--overwrite][-o][json][bitbucket.org/bitbucket_commit=0a1b2c][bitbucket.org/bitbucket_step_triggerer_uuid=1-2][team=core][tier=]",
                "[apply][-f][-][--dry-run=server] <{\"labelled\":true}>",
                $"[apply][-R][-f][{file}][--dry-run=server]",
            ],
            Calls());
    }

    [Fact]
    public async Task All_mistakes_are_told_at_once_and_kubectl_is_not_started()
    {
        _environment["KUBECTL_COMMAND"] = "apply";
        _environment["RESOURCE_PATH"] = Path.Combine(_folder, "nothing");
        _environment["KUBECTL_ARGS"] = "'open";
        _environment["LABELS"] = "a=b\tc -o=yaml --token=x";
        _environment["ROLE_ARN"] = "arn:aws:iam::123456789012:role/other";
        _environment["LANYARD_CLUSTER_SERVER"] = "http://proxy.example";

        Assert.Equal(ExitCodes.Usage, await RunAsync());

        foreach (var word in (string[])["RESOURCE_PATH", "KUBECTL_ARGS", "LABELS", "--assume-role-arn (ROLE_ARN)", "--server"]) Assert.Contains($"lanyard: {word}", _diagnosis.ToString(), StringComparison.Ordinal);
        Assert.Empty(Calls());
        Assert.Equal(ExitCodes.Usage, await CredentialsProgram.RunAsync(["pipe", "get", "pods"], _environment.GetValueOrDefault, _output, _diagnosis));
    }

    [Fact]
    public async Task Debug_says_the_commands_and_no_token()
    {
        (_environment["KUBECTL_COMMAND"], _environment["DEBUG"]) = ("get pods", "true");

        Assert.Equal(0, await RunAsync());

        Assert.Contains("+ kubectl get pods", _diagnosis.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("eyJ", _diagnosis.ToString() + _output + string.Concat(Calls()), StringComparison.Ordinal);
    }

    private Task<int> RunAsync() => CredentialsProgram.RunAsync(["pipe"], _environment.GetValueOrDefault, _output, _diagnosis);

    private string[] Calls() => File.Exists(Path.Combine(_folder, "calls")) ? File.ReadAllLines(Path.Combine(_folder, "calls")) : [];
}
