namespace Lanyard.Cli.Runner.Pods;

/// <summary>
/// The first process of the steps' container: a constant text for any POSIX shell, which needs no other program. It reads numbers of steps from
/// one named pipe and writes how they ended into another; a third carries signals, and each step has one for its output. All lie in a folder that
/// the container sees read-only, and whoever is alone notices at once: a pipe ends when nobody holds its other end.
/// </summary>
internal static class StepWrapper
{
    /// <summary>Steps to run, a number a line. Made last: when it is there, all are.</summary>
    public const string Commands = "commands";

    /// <summary>A line for each step: number, exit status, processes that the kernel killed for want of memory.</summary>
    public const string Results = "results";

    /// <summary>A line for each signal: number of the step, then <c>TERM</c> (the program), <c>CHILDREN</c> (the script and its children) or <c>KILL</c>.</summary>
    public const string Signals = "signals";

    /// <summary>A pipe for each step: what a late reader of one finds is never the next one's.</summary>
    public static string OutputOf(int step) => $"output-{step}";

    /// <summary>The file of a step: a script that becomes the step's program.</summary>
    public static string FileOf(int step) => $"step-{step}";

    /// <summary>
    /// <c>kill -KILL -1</c> reaches everything of the container but its first process. Outside a PID namespace of its own it would reach everything
    /// of the machine: therefore the very first line.
    /// </summary>
    /// <param name="control">The folder of the pipes; without blanks or quotes.</param>
    public static string Text(string control) => $$"""
        case $$ in 1) ;; *) echo 'lanyard: this must be the first process of a container' >&2; exit 125 ;; esac
        d={{control}}
        until [ -p "$d/{{Commands}}" ]; do sleep 0.1 || sleep 1 || :; done 2>/dev/null
        exec 3>"$d/{{Results}}" 4<"$d/{{Commands}}" 2>/dev/null
        killed_for_memory() {
          ooms=0
          for f in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
            [ -r "$f" ] || continue
            while read -r name value; do case $name in oom_kill) ooms=$value ;; esac; done <"$f"
          done
        }
        children() {
          found=
          for f in /proc/[0-9]*/stat; do
            read -r line <"$f" || continue
            pid=${line%% *} rest=${line##*) }
            rest=${rest#? }
            [ "${rest%% *}" = "$1" ] && found="$found $pid"
          done
        }
        listen() {
          while read -r of signal; do
            [ "$of" = "$1" ] || continue
            case $signal in
              CHILDREN) children "$2"; kill -TERM "$2" $found ;;
              TERM) kill -TERM "$2" ;;
              KILL) kill -KILL -1 ;;
            esac
          done
          kill -KILL -1
        }
        while read -r step <&4; do
          killed_for_memory
          before=$ooms
          /bin/sh "$d/step-$step" </dev/null >"$d/output-$step" 2>&1 3>&- 4<&- &
          process=$!
          listen "$step" "$process" <"$d/{{Signals}}" >/dev/null 2>&1 3>&- 4<&- &
          wait "$process"
          status=$?
          killed_for_memory
          kill -KILL -1 2>/dev/null
          wait
          echo "$step $status $((ooms - before))" >&3
        done
        """;
}
