using Lanyard.Server.Http;
using Lanyard.Server.Storage;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Hosting;

namespace Lanyard.Server;

/// <summary>A server that listens, until it is disposed.</summary>
internal sealed class RunningServer(WebApplication app, Database database, Instance instance, ServerCertificate? certificate, OpenTelemetryExport? telemetry) : IAsyncDisposable
{
    public Instance Instance { get; } = instance;

    public IServiceProvider Services => app.Services;

    public Task WaitForShutdownAsync() => app.WaitForShutdownAsync();

    public async ValueTask DisposeAsync()
    {
        await app.StopAsync();
        telemetry?.Dispose();
        await app.DisposeAsync();
        await database.DisposeAsync();
        certificate?.Dispose();
    }
}
