using Lanyard.Identity;
using Lanyard.Server.Storage;
using Microsoft.Extensions.DependencyInjection;

namespace Lanyard.Server.Workspaces;

/// <summary>Where things live.</summary>
internal enum Home
{
    Workspace,
    Collection,
}

/// <summary>One kind of thing that lives in homes; registered by the room that owns it. A home in which one lives is not deleted.</summary>
/// <param name="Kind">As people call several of them.</param>
/// <param name="Names">A query for the column <c>name</c> of those in a home, at a time.</param>
internal sealed record HomeContent(Home Home, string Kind, Func<string, DateTimeOffset, Sql> Names);

/// <summary>Rows that mean nothing without their home, and go with it.</summary>
internal sealed record HomeRemnant(Home Home, Func<string, Sql> Remove);

/// <summary>
/// What keeps a home from being deleted. It is asked in the transaction that deletes, which has locked the home's row; that nothing comes into the home meanwhile or afterwards
/// is kept by the database's references.
/// </summary>
internal sealed class HomeContents(IEnumerable<HomeContent> contents, IEnumerable<HomeRemnant> remnants, TimeProvider time)
{
    /// <summary>Of each kind so many are named.</summary>
    private const int Named = 5;

    /// <summary>Takes away what goes with the home, where nothing lives in it.</summary>
    /// <returns>Null; or Conflict, whose detail is for the caller: it names what lives there.</returns>
    public async Task<Refusal?> ClearAsync(Transaction transaction, Home home, string id)
    {
        var there = new List<string>();
        foreach (var content in contents.Where(content => content.Home == home))
        {
            var names = await transaction.QueryAsync(
                $"select distinct name from ({content.Names(id, time.GetUtcNow()).Part}) living order by name limit {Named + 1}", static row => row.GetString(0));
            if (names.Count > 0) there.Add($"{content.Kind} ({string.Join(", ", names.Take(Named))}{(names.Count > Named ? ", …" : "")})");
        }

        if (there.Count > 0) return new Refusal(RefusalReason.Conflict, $"{string.Join(", ", there)} still live in it: delete them first");
        foreach (var remnant in remnants.Where(remnant => remnant.Home == home)) await transaction.ExecuteAsync(remnant.Remove(id));
        return null;
    }
}

/// <summary>How rooms say what lives where.</summary>
internal static class HomeContentRegistration
{
    /// <inheritdoc cref="HomeContent"/>
    public static IServiceCollection AddContent(this IServiceCollection services, Home home, string kind, Func<string, Sql> names) =>
        services.AddSingleton(new HomeContent(home, kind, (id, _) => names(id)));

    /// <inheritdoc cref="HomeRemnant"/>
    public static IServiceCollection AddRemnant(this IServiceCollection services, Home home, Func<string, Sql> remove) => services.AddSingleton(new HomeRemnant(home, remove));
}
