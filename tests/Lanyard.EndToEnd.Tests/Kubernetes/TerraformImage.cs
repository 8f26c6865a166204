using Lanyard.Testing;
using Lanyard.Testing.Processes;

namespace Lanyard.EndToEnd.Tests.Kubernetes;

/// <summary>This machine's terraform beside busybox, as an image: nothing of ours is in it.</summary>
internal static class TerraformImage
{
    public const string Name = "docker.io/test/terraform:1";

    /// <returns>The file of the image.</returns>
    public static async Task<string> MakeAsync()
    {
        var folder = Directory.CreateTempSubdirectory("lanyard-terraform-").FullName;
        var script = """
            set -eu
            mkdir -p root/bin root/usr/local/bin root/tmp root/etc/ssl/certs
            chmod 1777 root/tmp
            cp "$(command -v busybox)" root/bin/busybox
            for name in $(busybox --list); do ln -s /bin/busybox "root/bin/$name" 2>/dev/null || :; done
            cp "$(readlink -f "$(command -v terraform)")" root/usr/local/bin/terraform
            chmod -R a+rX root
            """;
        (await Command.RunAsync("sh", ["-c", $"cd '{folder}' && {script}"], deadline: TimeSpan.FromMinutes(2))).Succeeded();
        var image = Path.Combine(folder, "terraform.tar");
        (await Command.RunAsync(Repo.At("eng", "kube-image"), [image, Name, Path.Combine(folder, "root")], deadline: TimeSpan.FromMinutes(3))).Succeeded();
        return image;
    }
}
