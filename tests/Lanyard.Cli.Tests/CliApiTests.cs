using Xunit;

namespace Lanyard.Cli.Tests;

/// <summary>A command line whose server is <see cref="FakeApi"/> and whose data folder has the admin's key.</summary>
public abstract class CliApiTests(string? workspace = null, string? collection = null) : IAsyncLifetime
{
    private protected CliRun Cli { get; } = new();

    private protected FakeApi Api { get; private set; } = null!;

    public virtual async ValueTask InitializeAsync()
    {
        Api = await FakeApi.StartAsync();
        Cli.Environment["LANYARD_SERVER"] = Api.Url;
        Cli.Environment["LANYARD_DATA_DIR"] = Cli.Folder;
        if (workspace is not null) Cli.Environment["LANYARD_WORKSPACE"] = workspace;
        if (collection is not null) Cli.Environment["LANYARD_COLLECTION"] = collection;
        Cli.Write("admin-key.pem", Api.AdminKey.ExportPem());
    }

    public async ValueTask DisposeAsync()
    {
        if (Api is not null) await Api.DisposeAsync();
        Cli.Dispose();
        GC.SuppressFinalize(this);
    }
}
