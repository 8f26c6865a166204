using Lanyard.Protocol.Runtime;

namespace Lanyard.Server.Cache.Limits;

/// <summary>What holds in a workspace: its own settings over the installation's defaults.</summary>
internal sealed class CacheLimits(CacheSettings settings, CacheOptions defaults)
{
    public long WorkspaceBytes { get; } = settings.WorkspaceBytes ?? defaults.WorkspaceBytes;

    /// <summary>0: no limit.</summary>
    public long EntriesPerMinute { get; } = settings.EntriesPerMinute ?? defaults.EntriesPerMinute;

    public TimeSpan UnusedLife { get; } = settings.UnusedDays is { } days ? TimeSpan.FromDays(days) : defaults.UnusedLife;

    public TimeSpan QuarantineLife { get; } = settings.QuarantineDays is { } quarantined ? TimeSpan.FromDays(quarantined) : defaults.QuarantineLife;

    /// <summary>Of entries that are reserved from now on.</summary>
    public bool Encrypt { get; } = settings.Encrypt ?? false;

    public IReadOnlyList<CacheReadRule> ReadRules { get; } = settings.ReadRules ?? [];

    public long RepositoryBytes(string repository) =>
        settings.Repositories?.FirstOrDefault(one => string.Equals(one.Key, repository, StringComparison.OrdinalIgnoreCase)) is { Key: not null } own
            ? own.Value
            : settings.RepositoryBytes ?? defaults.RepositoryBytes;

    /// <summary>An entry that no eviction could make room for is too large too.</summary>
    public long EntryBytes(string repository) =>
        Math.Min(settings.EntryBytes ?? defaults.MaxEntryBytes, Math.Min(RepositoryBytes(repository), WorkspaceBytes));

    /// <summary>Every mistake of settings that were sent.</summary>
    public static List<Lanyard.Protocol.Resources.Mistake> Mistakes(CacheSettings settings, CacheOptions defaults)
    {
        const long MostBytes = 1L << 50;
        var mistakes = new List<Lanyard.Protocol.Resources.Mistake>();
        Check("workspaceBytes", settings.WorkspaceBytes, 1, MostBytes);
        Check("repositoryBytes", settings.RepositoryBytes, 1, MostBytes);
        Check("entryBytes", settings.EntryBytes, 1, defaults.MaxEntryBytes);
        Check("entriesPerMinute", settings.EntriesPerMinute, 0, 1_000_000);
        Check("unusedDays", settings.UnusedDays, 1, 3650);
        Check("quarantineDays", settings.QuarantineDays, 1, 3650);
        foreach (var (repository, bytes) in settings.Repositories ?? new Dictionary<string, long>())
        {
            if (repository.Length > 255 || repository.Split('/') is not [{ Length: > 0 }, { Length: > 0 }]) Add($"repositories.{repository}", "must be owner/name");
            Check($"repositories.{repository}", bytes, 1, MostBytes);
        }

        if (settings.Repositories is { Count: > 1000 }) Add("repositories", "must be at most 1000");
        if (settings.ReadRules is { Count: > CacheReadRules.MaxRules }) Add("readRules", $"must be at most {CacheReadRules.MaxRules}");
        for (var i = 0; i < (settings.ReadRules?.Count ?? 0); i++)
        {
            var rule = settings.ReadRules![i];
            CheckPatterns($"readRules[{i}].refs", rule.Refs);
            CheckPatterns($"readRules[{i}].writtenBy", rule.WrittenBy);
            if (rule.Workflows is { } workflows) CheckPatterns($"readRules[{i}].workflows", workflows);
        }

        return mistakes;

        void Add(string path, string text) => mistakes.Add(new Lanyard.Protocol.Resources.Mistake(path, text));

        void Check(string path, long? value, long least, long most)
        {
            if (value < least || value > most) Add(path, $"must be {least} to {most}");
        }

        void CheckPatterns(string path, IReadOnlyList<string> patterns)
        {
            if (patterns.Count is 0 or > CacheReadRules.MaxPatterns) Add(path, $"must be 1 to {CacheReadRules.MaxPatterns} patterns");
            for (var j = 0; j < patterns.Count; j++)
            {
                if (!CacheReadRules.IsPattern(patterns[j])) Add($"{path}[{j}]", "must be 1 to 255 printable ASCII characters, with * at the end only");
            }
        }
    }
}
