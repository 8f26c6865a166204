using Lanyard.Protocol.Runtime;
using Lanyard.Server.Cache.Admin;
using Lanyard.Server.Cache.Blobs;
using Lanyard.Server.Cache.Limits;
using Lanyard.Server.Cache.Protocol;
using Lanyard.Server.Http;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Cache;

/// <summary>
/// Owns the GitHub Actions cache: protocol v2 at <c>/twirp/github.actions.results.api.v1.CacheService/</c> (clients drop any prefix), v1 at
/// <c>/runtime/cache/_apis/artifactcache/</c>, the blob plane at <c>/cache/{workspace}/{blob}</c>, and the entries. An integration of the runtime API:
/// callers are <see cref="Runtime.RuntimeSubject"/>s, and it does not know what runs or machines are. Entries are immutable once ready, found by
/// GitHub's documented order (<see cref="CacheMatching"/>), and their bytes are checked on every read. <c>Limits/</c> keeps them within quotas,
/// <c>Admin/</c> is what people see of them: <c>/v1/workspaces/{workspace}/cache</c>.
/// </summary>
internal static class CacheFeature
{
    /// <param name="secret">Of this installation, the same on every replica: the keys of pre-signed URLs come from it.</param>
    /// <exception cref="InvalidOperationException">The options have mistakes: all are in the message.</exception>
    public static IServiceCollection AddCache(this IServiceCollection services, CacheOptions options, byte[] secret)
    {
        if (options.Validate() is { Count: > 0 } mistakes) throw new InvalidOperationException(string.Join("; ", mistakes));
        services.AddSingleton(options);
        services.AddSingleton(provider => new BlobUrls(secret, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<BlobStore>(provider => options.Store is { } store
            ? store.Open(options.StoreKey, options.DirectReads, provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILoggerFactory>())
            : new FileBlobs(options.Folder, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<CacheLinks>();
        services.AddSingleton(new SegmentKeys(secret));
        services.AddSingleton<SegmentStore>();
        services.AddSingleton<CacheEntryStore>();
        services.AddSingleton<CacheMatchStore>().AddSingleton<DamagedEntries>().AddSingleton<CacheRefusals>();
        services.AddSingleton<BlobUpload>().AddSingleton<BlobDownload>();
        services.AddSingleton<CacheService>();
        services.AddSingleton<CacheSettingsDirectory>();
        services.AddSingleton<CacheEvictionStore>();
        services.AddSingleton<UnfinishedUploads>();
        services.AddSingleton<CacheMetrics>().AddSingleton<MetricsSource>(static provider => provider.GetRequiredService<CacheMetrics>().Write);
        services.AddSingleton<CachePurger>().AddSingleton<CacheLeftovers>();
        services.AddSingleton<CacheEvictor>();
        services.AddSingleton<CacheTally>();
        services.AddSingleton<BlobReads>();
        services.AddSingleton<ResultsForwarder>();
        services.AddSingleton<CacheAdminStore>();
        services.AddSingleton<CacheSweeper>();
        services.AddContent(Home.Workspace, "cache entries", static id => $"select repository as name from cache_entries where workspace = {id} and state <> 'purged' limit 1000");
        services.AddRemnant(Home.Workspace, static id => $"delete from cache_entries where workspace = {id} and state = 'purged'");
        services.AddRemnant(Home.Workspace, static id => $"delete from cache_settings where workspace = {id}");
        services.AddHostedService(static provider => provider.GetRequiredService<CacheSweeper>());
        return services;
    }

    public static void MapCache(this IEndpointRouteBuilder routes)
    {
        var twirp = routes.MapGroup("/twirp").ExcludeFromDescription().WithMetadata(new OwnDialect(TwirpAnswers.WriteAsync));
        twirp.MapPost("/github.actions.results.api.v1.CacheService/CreateCacheEntry", TwirpEndpoints.CreateAsync);
        twirp.MapPost("/github.actions.results.api.v1.CacheService/FinalizeCacheEntryUpload", TwirpEndpoints.FinalizeAsync);
        twirp.MapPost("/github.actions.results.api.v1.CacheService/GetCacheEntryDownloadURL", TwirpEndpoints.DownloadAsync);
        twirp.Map("/{**rest}", TwirpEndpoints.UnknownAsync);

        var first = routes.MapGroup("/runtime/cache/_apis/artifactcache").ExcludeFromDescription().WithMetadata(new OwnDialect(ArtifactCacheError.WriteAsync));
        first.MapGet("/cache", ArtifactCacheEndpoints.FindAsync);
        first.MapGet("/caches", ArtifactCacheEndpoints.ListAsync);
        first.MapPost("/caches", ArtifactCacheEndpoints.ReserveAsync);
        first.MapPatch("/caches/{id}", ArtifactCacheEndpoints.UploadAsync);
        first.MapPost("/caches/{id}", ArtifactCacheEndpoints.CommitAsync);
        first.Map("/{**rest}", ArtifactCacheEndpoints.Unknown);

        var blobs = routes.MapGroup("").ExcludeFromDescription().WithMetadata(new OwnDialect(AzureAnswers.WriteAsync));
        blobs.MapPut(BlobUrls.Route, BlobEndpoints.PutAsync);
        blobs.MapMethods(BlobUrls.Route, [HttpMethods.Get, HttpMethods.Head], BlobEndpoints.GetAsync);
        MapAdmin(routes);
    }

    private static void MapAdmin(IEndpointRouteBuilder routes)
    {
        var admin = routes.MapGroup("/v1/workspaces/{workspace}/cache").WithTags("Cache");
        admin.MapGet("/entries", CacheAdminEndpoints.ListAsync).WithName("listCacheEntries").Produces<CacheEntryList>();
        admin.MapGet("/entries/{entry}", CacheAdminEndpoints.GetAsync).WithName("getCacheEntry").Produces<CacheEntryView>();
        admin.MapDelete("/entries/{entry}", CacheAdminEndpoints.DeleteAsync).WithName("deleteCacheEntry").Produces(StatusCodes.Status204NoContent);
        admin.MapGet("/usage", CacheAdminEndpoints.UsageAsync).WithName("getCacheUsage").Produces<CacheUsage>();
        admin.MapPost("/quarantine", CacheAdminEndpoints.QuarantineAsync).WithName("quarantineCacheEntries")
            .Accepts<CacheSelection>("application/json").Produces<CacheChanged>();
        admin.MapPost("/release", CacheAdminEndpoints.ReleaseAsync).WithName("releaseCacheEntries")
            .Accepts<CacheSelection>("application/json").Produces<CacheChanged>();
        admin.MapPost("/delete", CacheAdminEndpoints.DeleteSelectedAsync).WithName("deleteCacheEntries")
            .Accepts<CacheSelection>("application/json").Produces<CacheChanged>();
        admin.MapGet("/settings", CacheAdminEndpoints.GetSettingsAsync).WithName("getCacheSettings").Produces<CacheSettings>();
        admin.MapPut("/settings", CacheAdminEndpoints.PutSettingsAsync).WithName("putCacheSettings")
            .Accepts<CacheSettings>("application/json").Produces<CacheSettings>();
    }
}
