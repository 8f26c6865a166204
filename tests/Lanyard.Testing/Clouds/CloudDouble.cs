using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using Lanyard.Testing.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;

namespace Lanyard.Testing.Clouds;

/// <summary>A server that stands for a cloud's token service: it answers as the original does, and remembers whom it let in.</summary>
public abstract class CloudDouble : IAsyncDisposable
{
    private readonly X509Certificate2? _certificate;
    private readonly WebApplication _app;

    /// <param name="tls">The original's clients refuse anything but https.</param>
    protected CloudDouble(bool tls)
        : this(tls ? TestCertificates.Create() : null, IPAddress.Loopback)
    {
    }

    /// <param name="certificate">It is disposed with this; null: no TLS.</param>
    protected CloudDouble(X509Certificate2? certificate, IPAddress address)
    {
        _certificate = certificate;
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(address, 0, listen =>
        {
            if (_certificate is not null) listen.UseHttps(_certificate);
        }));
        if (certificate is not null) builder.WebHost.UseKestrelHttpsConfiguration();
        _app = builder.Build();
        _app.Run(AnswerAsync);
    }

    public string Url { get; private set; } = "";

    /// <summary>Subjects that were let in, in order.</summary>
    public ConcurrentQueue<string> Admitted { get; } = new();

    /// <summary>Why somebody was not.</summary>
    public ConcurrentQueue<string> Refused { get; } = new();

    /// <summary>For clients that check who it is; PEM.</summary>
    public string CertificatePem => _certificate!.ExportCertificatePem();

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await _app.DisposeAsync();
        _certificate?.Dispose();
    }

    protected static async Task<T> StartedAsync<T>(T cloud)
        where T : CloudDouble
    {
        await cloud._app.StartAsync();
        cloud.Url = cloud._app.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.Single();
        return cloud;
    }

    protected abstract Task AnswerAsync(HttpContext context);

    protected static Task WriteAsync(HttpContext context, int status, string type, string body)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = type;
        return context.Response.WriteAsync(body, context.RequestAborted);
    }

    /// <summary>Admits, or says the cause.</summary>
    protected JudgedToken Note(JudgedToken judged)
    {
        if (judged.Mistake is null) Admitted.Enqueue(judged.Subject);
        else Refused.Enqueue($"{judged.Mistake}: {judged.Text}");
        return judged;
    }
}
