using Lanyard.Server.Tests.Storage;

namespace Lanyard.Server.Tests.Cache;

/// <summary>What tests of scopes and of keys ask alike.</summary>
public abstract class ScopedCacheTests(DatabaseKind kind) : ClockedCacheTests(kind)
{
    private protected const string Default = ""","defaultRef":"refs/heads/main" """;

    private protected Task<Answer> CreateAsync(string bearer, string key) =>
        Cache.TwirpAsync(bearer, "CreateCacheEntry", $$"""{"key":"{{key}}","version":"{{CacheServer.Version}}"}""");
}
