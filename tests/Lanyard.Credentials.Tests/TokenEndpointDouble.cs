using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;

namespace Lanyard.Credentials.Tests;

/// <summary>An endpoint of the ACTIONS_ID_TOKEN_REQUEST protocol on loopback that answers what a test says, and remembers what it was asked.</summary>
internal sealed class TokenEndpointDouble : IAsyncDisposable
{
    private readonly WebApplication _app;

    private TokenEndpointDouble(WebApplication app) => _app = app;

    public int Status { get; set; } = StatusCodes.Status200OK;

    public string Body { get; set; } = """{"count":3,"value":"eyJh.eyJleHAiOjE3MDAwMDAwMDB9.c2ln"}""";

    public string? Location { get; set; }

    public string? SeenQuery { get; private set; }

    public string? SeenAuthorization { get; private set; }

    public int Calls { get; private set; }

    public string Url => _app.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.Single();

    public static async Task<TokenEndpointDouble> StartAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var endpoint = new TokenEndpointDouble(builder.Build());
        endpoint._app.Run(endpoint.AnswerAsync);
        await endpoint._app.StartAsync();
        return endpoint;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private Task AnswerAsync(HttpContext context)
    {
        Calls++;
        SeenQuery = context.Request.QueryString.Value;
        SeenAuthorization = context.Request.Headers.Authorization;
        context.Response.StatusCode = Status;
        if (Location is not null)
        {
            context.Response.Headers.Location = Location;
        }

        return context.Response.WriteAsync(Body);
    }
}
