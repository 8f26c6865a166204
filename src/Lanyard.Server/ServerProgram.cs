using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using Lanyard.Identity.Trust;
using Lanyard.Protocol.Terminal;
using Lanyard.Server.AccessEntries;
using Lanyard.Server.Audit;
using Lanyard.Server.Cache;
using Lanyard.Server.Clusters;
using Lanyard.Server.Collections;
using Lanyard.Server.Exchange;
using Lanyard.Server.Federation;
using Lanyard.Server.Http;
using Lanyard.Server.Issuers;
using Lanyard.Server.Machines;
using Lanyard.Server.Operations;
using Lanyard.Server.Runners;
using Lanyard.Server.Runs;
using Lanyard.Server.Runtime;
using Lanyard.Server.Storage;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server;

/// <summary><c>lanyard server</c>: the table of contents of the control plane, one AddX and one MapX a feature.</summary>
public static class ServerProgram
{
    private const int Misused = 2;
    private const int Failed = 1;

    /// <summary>Every option on one line, for completion.</summary>
    public static string Usage => ServerOptions.Usage;

    public static async Task<int> RunAsync(string[] args)
    {
        if (args is ["help", ..] || args.Any(static word => word is "--help" or "-h"))
        {
            Console.Out.Write(ServerOptions.Help(HelpColumns.TerminalWidth()));
            return 0;
        }

        var (options, mistakes) = ServerOptions.Parse(args);
        if (options is null)
        {
            foreach (var mistake in mistakes) await Console.Error.WriteLineAsync($"lanyard server: {mistake}");
            return Misused;
        }

        Scheduling.PreferWholeTurns();
        try
        {
            await using var server = await StartAsync(options, CancellationToken.None);
            await Console.Error.WriteLineAsync($"lanyard server: ready at {server.Instance.Url}");
            await server.WaitForShutdownAsync();
            return 0;
        }
        catch (Exception e) when (StartFault.Words(e) is { } words)
        {
            await Console.Error.WriteLineAsync($"lanyard server: {words}");
            return Failed;
        }
    }

    /// <summary>Opens the database, brings it up to date, and starts to listen.</summary>
    internal static async Task<RunningServer> StartAsync(ServerOptions options, CancellationToken cancellation, TimeProvider? clock = null)
    {
        var door = StartFault.Reserve(options.Listen);
        try
        {
            return await StartAsync(options, door, clock ?? TimeProvider.System, cancellation);
        }
        catch
        {
            door.Dispose();
            throw;
        }
    }

    private static async Task<RunningServer> StartAsync(ServerOptions options, Socket door, TimeProvider time, CancellationToken cancellation)
    {
        var data = StartFault.MakeDataDirectory(options.DataDirectory);
        var scheme = options.TlsCertificateFile is null ? "http" : "https";
        var instance = new Instance(options.InstanceSlug, options.PublicUrl ?? $"{scheme}://{door.LocalEndPoint}", data);

        // Nothing is configured by a file in the data folder, and nothing watches it: the database writes there all the time.
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = data, Args = ["--hostBuilder:reloadConfigOnChange=false"] });
        builder.Logging.ClearProviders();
        Log(builder.Logging);
        using var loggers = LoggerFactory.Create(Log);
        var certificate = Listen(builder, options, door, time, loggers);
        var database = Database.Open(options.Database ?? Path.Combine(data, "lanyard.db"), time, loggers);
        try
        {
            await database.MigrateAsync(time, cancellation);
            AddRooms(builder.Services, instance, database, time, CacheOf(options, data), AuditOf(options),
                options.GitHubAppsFile is { } apps ? GitHubApps.Load(apps, new AwsKms(Environment.GetEnvironmentVariable, time)) : null);
            builder.Services.AddHostedService(_ => QuietMemory.OfThisProcess(TimeProvider.System));
            var app = builder.Build();
            Map(app, options);
            await app.Services.GetRequiredService<WorkspaceDirectory>().LoadAsync();
            await app.Services.GetRequiredService<CollectionDirectory>().LoadAsync();
            await app.Services.GetRequiredService<AdminKeys>().EnsureAsync(data, cancellation);
            await app.Services.GetRequiredService<KeyRing>().GetAsync(KeyRing.InstanceOwner, cancellation);
            await File.WriteAllTextAsync(Path.Combine(data, "server-url"), instance.Url + "\n", cancellation);
            await app.StartAsync(cancellation);
            app.Services.GetRequiredService<QueueDepths>().ObserveBy(app.Services.GetRequiredService<RunMetrics>());
            return new RunningServer(app, database, instance, certificate, OpenTelemetryExport.Start(Environment.GetEnvironmentVariable));
        }
        catch
        {
            await database.DisposeAsync();
            certificate?.Dispose();
            throw;
        }
    }

    private static AuditOptions AuditOf(ServerOptions options) =>
        new() { KeepClaims = options.AuditClaims, RedactedClaims = [.. PersonalClaims.Names, .. options.AuditRedact] };

    /// <summary>Every service of the control plane; tests put the same together.</summary>
    internal static void AddRooms(
        IServiceCollection services, Instance instance, Database database, TimeProvider time, CacheOptions? cache = null, AuditOptions? audit = null, GitHubApps? apps = null)
    {
        services.AddSingleton(time).AddSingleton(instance).AddSingleton(database);
        services.AddRoutingCore();
        services.AddOpenApiDocument();
        services.AddAudit(audit ?? new AuditOptions());
        services.AddWorkspaces();
        services.AddCollections();
        var encryption = KeyEncryption.FromFile(Path.Combine(instance.DataDirectory, "key-encryption.key"));
        services.AddIssuers(encryption, KeySchedule.Default);
        services.AddFederation(ServerParts.DoorQuestions, ServerParts.CollectionLookup, encryption.DeriveSecret("token reviews"));
        services.AddSingleton(ServerParts.ExchangeQuestions).AddExchange(apps);
        services.AddClusters(ServerParts.ClusterTrust);
        services.AddAccessEntries();
        services.AddRunners(ServerParts.FindCluster, ServerParts.FindPolicy, ServerParts.JudgeRunnerKey);
        services.AddRuns(new RunsOptions(), ServerParts.MintRuntimeToken);
        services.AddMachines().AddMachineAttestation();
        services.AddRuntime(RuntimeSubjects.Questions);
        services.AddOperations(RuntimeOperations.Questions);
        services.AddCache(cache ?? new CacheOptions { Folder = Path.Combine(instance.DataDirectory, "cache") }, encryption.DeriveSecret("cache urls"));
    }

    /// <exception cref="InvalidOperationException">The key file can't be used.</exception>
    private static CacheOptions CacheOf(ServerOptions options, string data)
    {
        var key = new byte[64];
        var length = 0;
        if (options.CacheStoreKeyFile is { } file && !(Convert.TryFromBase64String(File.ReadAllText(file).Trim(), key, out length) && length >= 16))
            throw new InvalidOperationException($"--cache-store-key-file {file}: not a key in base64");
        var cache = new CacheOptions
        {
            Folder = Path.Combine(data, "cache"), Store = options.CacheStore, StoreKey = length == 0 ? null : key[..length], DirectReads = options.CacheDirectReads,
        };
        return options.CacheReadLife is { } life ? cache with { ReadLife = life } : cache;
    }

    private static void Map(WebApplication app, ServerOptions options)
    {
        if (options.TrustedProxies.Count > 0)
        {
            var forwarded = new ForwardedHeadersOptions { ForwardedHeaders = ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto, ForwardLimit = 4 };
            forwarded.KnownProxies.Clear();
            forwarded.KnownIPNetworks.Clear();
            foreach (var network in options.TrustedProxies) forwarded.KnownIPNetworks.Add(network);
            app.UseForwardedHeaders(forwarded);
        }

        app.UseEdge(app.Services.GetRequiredService<TimeProvider>(), app.Services.GetRequiredService<ILoggerFactory>());
        app.UseMiddleware<BearerMiddleware>();
        MapRooms(app);
    }

    /// <summary>Every route of the control plane; the OpenAPI document and its tests see the same.</summary>
    internal static void MapRooms(WebApplication app)
    {
        var workspaces = app.Services.GetRequiredService<WorkspaceDirectory>();
        app.MapOpenApiDocument();
        app.MapAudit(async (principal, slug, right) =>
            (await workspaces.RequireAsync(principal, slug, right)).TryGet(out var entry, out var refusal) ? entry.Id : refusal);
        app.MapWorkspaces();
        app.MapCollections();
        app.MapIssuers();
        app.MapFederation();
        app.MapExchange();
        app.MapClusters();
        app.MapAccessEntries();
        app.MapRunners();
        app.MapRuns();
        app.MapMachines();
        app.MapMachineAttestation();
        app.MapRuntime();
        app.MapOperations();
        app.MapCache();
    }

    private static ServerCertificate? Listen(WebApplicationBuilder builder, ServerOptions options, Socket door, TimeProvider time, ILoggerFactory loggers)
    {
        var log = loggers.CreateLogger("Lanyard.Server");
        var certificate = options is { TlsCertificateFile: { } file, TlsPrivateKeyFile: { } key }
            ? new ServerCertificate(file, key, time, log.CertificateUnusable)
            : null;
        // A request runs on the thread that heard of it: each change of threads costs more than most requests do.
        builder.Services.Configure<SocketTransportOptions>(sockets =>
        {
            sockets.UnsafePreferInlineScheduling = true;
            sockets.CreateBoundListenSocket = _ => door;
        });
        builder.Services.AddSingleton<IMemoryPoolFactory<byte>, SocketBuffers>();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = 4 * 1024 * 1024;
            kestrel.Limits.MaxRequestHeadersTotalSize = 48 * 1024;
            // A look-up of the cache's first protocol has ten keys of 512 characters in its URL, each sign as three.
            kestrel.Limits.MaxRequestLineSize = 20 * 1024;
            kestrel.Limits.KeepAliveTimeout = TimeSpan.FromMinutes(3);
            // Where many transfer at once, one may wait for the server itself longer than Kestrel's five seconds, and is not to be taken for too slow.
            kestrel.Limits.MinResponseDataRate = kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(bytesPerSecond: 240, gracePeriod: TimeSpan.FromSeconds(30));
            kestrel.Listen((IPEndPoint)door.LocalEndPoint!, endpoint =>
            {
                if (certificate is null) return;
                endpoint.Protocols = HttpProtocols.Http1AndHttp2;
                endpoint.UseHttps(new TlsHandshakeCallbackOptions { OnConnection = _ => new(new SslServerAuthenticationOptions { ServerCertificateContext = certificate.Current }) });
            });
        });
        return certificate;
    }

    private static void Log(ILoggingBuilder logging)
    {
        logging.AddSimpleConsole(console => console.SingleLine = true).SetMinimumLevel(LogLevel.Information).AddFilter("Microsoft", LogLevel.Warning);
        // It says nothing above Information, and as long as it may speak at all each request makes an Activity for it.
        logging.AddFilter("Microsoft.AspNetCore.Hosting.Diagnostics", LogLevel.None);
        logging.Services.Configure<Microsoft.Extensions.Logging.Console.ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
    }
}
