using System.CommandLine;
using System.Net;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Lanyard.Cli.Verify;

/// <summary>
/// <c>lanyard verify --issuer URL --audience A</c>: checks a token as any relying party would. The token comes on standard input, or, with
/// <c>--listen</c>, as the bearer of one HTTP request.
/// </summary>
internal static class VerifyCommand
{
    public static Command Create(CliContext context)
    {
        var issuer = new Option<string>("--issuer") { Description = "the issuer's exact URL", Required = true };
        var audience = new Option<string>("--audience") { Description = "the audience that the token must be for", Required = true };
        var listen = new Option<string?>("--listen") { Description = "ADDRESS:PORT: check the bearer of one HTTP request instead of standard input" };
        var command = new Command("verify", "Check an identity token, knowing only its issuer's URL.") { issuer, audience, listen };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var check = new TokenCheck(arguments.GetValue(issuer)!, arguments.GetValue(audience)!, context.Console.Time);
            var result = arguments.GetValue(listen) is { } address
                ? await ListenAsync(check, address, context, cancellationToken)
                : await check.CheckAsync((await context.Console.In.ReadToEndAsync(cancellationToken)).Trim(), cancellationToken);
            context.Console.Out.WriteLine(result.ToJsonString());
            return result["verified"]!.GetValue<bool>() ? ExitCode.Done : ExitCode.No;
        });
        return command;
    }

    private static async Task<JsonObject> ListenAsync(TokenCheck check, string address, CliContext context, CancellationToken cancellationToken)
    {
        if (!IPEndPoint.TryParse(address, out var endpoint)) throw new CommandStopped(ExitCode.Usage, $"--listen {address}: not ADDRESS:PORT");
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(endpoint));
        await using var app = builder.Build();
        var done = new TaskCompletionSource<JsonObject>(TaskCreationOptions.RunContinuationsAsynchronously);
        app.Run(async request =>
        {
            var header = request.Request.Headers.Authorization.ToString();
            var result = await check.CheckAsync(header.StartsWith("Bearer ", StringComparison.Ordinal) ? header["Bearer ".Length..] : "", request.RequestAborted);
            var verified = result["verified"]!.GetValue<bool>();
            request.Response.StatusCode = verified ? 200 : 401;
            await request.Response.WriteAsync(verified ? $"verified: you are {result["subject"]}\n" : "not verified\n");
            await request.Response.CompleteAsync();
            done.TrySetResult(result);
        });
        await app.StartAsync(cancellationToken);
        context.Say($"listening at {app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()}");
        return await done.Task.WaitAsync(cancellationToken);
    }
}
