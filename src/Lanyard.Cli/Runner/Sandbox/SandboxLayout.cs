namespace Lanyard.Cli.Runner.Sandbox;

/// <summary>Where things are inside the sandbox, the same for every attempt.</summary>
internal static class SandboxLayout
{
    /// <summary>The attempt's own folder: its HOME and the folder that steps start in.</summary>
    public const string Work = "/work";

    public const string Temporary = "/tmp";
    public const string Hosts = "/etc/hosts";

    public const string Programs = "/run/lanyard/bin";
    public const string Script = "/run/lanyard/step";
    public const string Clouds = "/run/lanyard/cloud";
    public const string SearchPath = Programs + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    /// <summary>What of /etc a build needs: names, certificates, the loader's cache. No host users, no keys, no configuration of services.</summary>
    public static readonly string[] Etc =
    [
        "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/localtime", "/etc/timezone", "/etc/mime.types",
        "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/ca-certificates", "/etc/ca-certificates.conf",
        "/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted", "/etc/protocols", "/etc/services",
    ];

    public const string PasswdStub =
        """
        root:x:0:0:root:/nonexistent:/usr/sbin/nologin
        step:x:1000:1000:step:/work:/bin/sh
        nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin

        """;

    public const string GroupStub =
        """
        root:x:0:
        step:x:1000:
        nogroup:x:65534:

        """;
}
