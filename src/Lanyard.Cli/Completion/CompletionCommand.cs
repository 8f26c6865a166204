using System.CommandLine;

namespace Lanyard.Cli.Completion;

/// <summary><c>lanyard completion bash|zsh|fish</c>: what a shell sources, so that it asks <see cref="Suggestions"/> of the program that is being typed. Where that has nothing to say, files are completed.</summary>
internal static class CompletionCommand
{
    private const string Bash = """
        # lanyard completion bash: source <(lanyard completion bash)
        _lanyard() {
          local program=${1/#\~\//$HOME/}
          mapfile -t COMPREPLY < <("$program" "[suggest:$COMP_POINT]" "$COMP_LINE" 2> /dev/null)
        }
        complete -o default -F _lanyard lanyard
        """;

    private const string Zsh = """
        #compdef lanyard
        # lanyard completion zsh: source <(lanyard completion zsh), behind compinit; or a file _lanyard in a folder of $fpath
        _lanyard() {
          local line="${(j: :)words[1,CURRENT]}" program="${words[1]/#\~\//$HOME/}"
          local -a found
          found=("${(@f)$("$program" "[suggest:${#line}]" "$line" 2> /dev/null)}")
          if [[ -n "${found[*]}" ]]; then compadd -- "${found[@]}"; else _files; fi
        }
        if [[ "${funcstack[1]}" == _lanyard ]]; then _lanyard "$@"; else compdef _lanyard lanyard; fi
        """;

    private const string Fish = """
        # lanyard completion fish: lanyard completion fish | source; or a file ~/.config/fish/completions/lanyard.fish
        function __lanyard_complete
          set -l line (commandline -cp)
          set -l words (commandline -opc)
          set -l program (string replace -r '^~/' "$HOME/" -- $words[1])
          set -l found ($program "[suggest:"(string length -- $line)"]" $line 2> /dev/null)
          if test (count $found) -gt 0
            string join \n -- $found
          else
            __fish_complete_path (commandline -ct)
          end
        end
        complete -c lanyard -f -a '(__lanyard_complete)'
        """;

    public static Command Create(CliContext context) => new("completion", "Print what makes a shell complete commands and options: source <(lanyard completion bash).")
    {
        For(context, "bash", Bash),
        For(context, "zsh", Zsh),
        For(context, "fish", Fish),
    };

    private static Command For(CliContext context, string shell, string script)
    {
        var command = new Command(shell, $"For {shell}.");
        command.SetAction(_ =>
        {
            context.Console.Out.Write(script.ReplaceLineEndings("\n") + "\n");
            return ExitCode.Done;
        });
        return command;
    }
}
