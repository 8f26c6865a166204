namespace Lanyard.Cli.Runner.Opentofu;

/// <summary>
/// What the runner's own step does, for any POSIX shell: finds the tool, plans into a file, or applies exactly the plan that was made. A signal goes to the tool, which saves its state
/// and gives its lock back; in the apply the tool takes the shell's place.
/// </summary>
internal static class TofuScript
{
    /// <summary>In the folder that steps start in: what was planned, for the runner to take or to bring.</summary>
    public const string Bundle = "lanyard-plan.tgz";

    /// <summary>The plan as the tool shows it in JSON.</summary>
    public const string Shown = "lanyard-plan.json";

    public const string FolderVariable = "TF_LANYARD_FOLDER";
    public const string ActionVariable = "TF_LANYARD_ACTION";

    public const string Text = """
        set -u
        tool=$(command -v tofu || command -v terraform) || { echo 'neither tofu nor terraform is on the PATH of this runner' >&2; exit 127; }
        export TF_IN_AUTOMATION=1 TF_INPUT=0 CHECKPOINT_DISABLE=1 TF_CLI_ARGS=
        top=$PWD
        run() {
          "$tool" "$@" &
          child=$!
          trap 'kill -TERM $child 2>/dev/null' TERM
          code=0
          wait "$child" || code=$?
          while kill -0 "$child" 2>/dev/null; do code=0; wait "$child" || code=$?; done
          trap - TERM
          return "$code"
        }
        if [ "$LANYARD_PHASE" = apply ]; then
          mkdir -p "$TF_LANYARD_FOLDER" && cd "$TF_LANYARD_FOLDER" && tar -xzf "$top/lanyard-plan.tgz" || exit 1
          run init -no-color -input=false -lockfile=readonly || exit $?
          exec "$tool" apply -no-color -input=false -lock-timeout=60s lanyard.tfplan
        fi
        mkdir -p "$TF_LANYARD_FOLDER" && cd "$TF_LANYARD_FOLDER" || exit 1
        printf 'terraform {\n  backend "http" {}\n}\n' >lanyard_backend_override.tf || exit 1
        run init -no-color -input=false || exit $?
        case $TF_LANYARD_ACTION in
          destroy) set -- -destroy ;;
          drift) set -- -refresh-only ;;
          *) set -- ;;
        esac
        code=0
        run plan -no-color -input=false -lock-timeout=60s -out=lanyard.tfplan "$@" || code=$?
        [ "$code" = 0 ] || exit "$code"
        "$tool" show -json lanyard.tfplan >"$top/lanyard-plan.json" || exit 1
        # By name: not every busybox has tar --exclude.
        set --
        for name in * .[!.]* ..?*; do
          case $name in .terraform | lanyard-plan.*) continue ;; esac
          if [ -e "$name" ] || [ -h "$name" ]; then set -- "$@" "./$name"; fi
        done
        tar -czf - "$@" >"$top/lanyard-plan.tgz" || exit 1
        chmod 640 "$top/lanyard-plan.json" "$top/lanyard-plan.tgz"
        """;
}
