using System.Buffers.Binary;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace Lanyard.Testing.Tofu;

/// <summary>
/// A provider for OpenTofu and Terraform whose world a test can change behind their back, in their plugin protocol 5 (gRPC). The tools do not start it: they are told by
/// <see cref="Reattach"/> where it is. It has one resource, <c>world_thing</c>, with one attribute, <c>value</c>.
/// </summary>
public sealed class WorldProvider : IAsyncDisposable
{
    /// <summary>The address of the provider, for <c>required_providers</c>.</summary>
    public const string Source = "example.com/test/world";

    private static readonly byte[] Null = [0xc0]; // of MessagePack
    private readonly WebApplication _app;
    private readonly Lock _gate = new();
    private byte[]? _state;
    private string? _byHand;

    private WorldProvider()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(static kestrel => kestrel.Listen(IPAddress.Loopback, 0, static listen => listen.Protocols = HttpProtocols.Http2));
        _app = builder.Build();
        _app.Run(AnswerAsync);
    }

    /// <summary>For <c>TF_REATTACH_PROVIDERS</c>.</summary>
    public string Reattach { get; private set; } = "";

    /// <summary>How often the world was made as a plan says.</summary>
    public int Applied { get; private set; }

    public static async Task<WorldProvider> StartAsync()
    {
        var provider = new WorldProvider();
        await provider._app.StartAsync();
        var address = new Uri(provider._app.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.Single());
        provider.Reattach = $$$"""{"{{{Source}}}":{"Protocol":"grpc","ProtocolVersion":5,"Pid":1,"Test":true,"Addr":{"Network":"tcp","String":"{{{address.Authority}}}"} } }""";
        return provider;
    }

    /// <summary>Somebody gives the thing another value, and tells nobody.</summary>
    public void ChangeByHand(string value)
    {
        lock (_gate)
        {
            _byHand = value;
        }
    }

    /// <summary>Somebody takes the thing away.</summary>
    public void TakeAway()
    {
        lock (_gate)
        {
            (_state, _byHand) = (null, null);
        }
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task AnswerAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        var request = body.ToArray() is { Length: >= 5 } framed ? framed[5..] : [];
        var answer = Answer(context.Request.Path.Value!, request);
        context.Response.ContentType = "application/grpc";
        if (answer is not null)
        {
            var frame = new byte[5 + answer.Length];
            BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(1), answer.Length);
            answer.CopyTo(frame, 5);
            await context.Response.Body.WriteAsync(frame, context.RequestAborted);
        }

        context.Response.AppendTrailer("grpc-status", answer is null ? "12" : "0"); // 12: not implemented
    }

    /// <returns>Null: there is no such method.</returns>
    private byte[]? Answer(string method, byte[] request) => method switch
    {
        "/tfplugin5.Provider/GetSchema" => [.. Field(1, Schema([])), .. Field(2, [.. Field(1, "world_thing"u8), .. Field(2, Schema(Field(2, Attribute("value"))))])],
        "/tfplugin5.Provider/PrepareProviderConfig" => Field(1, Read(request, 1)),
        "/tfplugin5.Provider/Configure" or "/tfplugin5.Provider/ValidateResourceTypeConfig" or "/tfplugin5.Provider/Stop" => [],
        "/tfplugin5.Provider/UpgradeResourceState" => Field(1, Field(2, Read(Read(request, 3), 1))),
        "/tfplugin5.Provider/ReadResource" => Field(1, Look()),
        "/tfplugin5.Provider/PlanResourceChange" => Field(1, Read(request, 3)),
        "/tfplugin5.Provider/ApplyResourceChange" => Field(1, Make(Read(request, 3))),
        _ => null,
    };

    private byte[] Look()
    {
        lock (_gate)
        {
            return _byHand is { } value ? Field(2, Encoding.UTF8.GetBytes($$"""{"value":"{{value}}"}""")) : _state ?? Field(1, Null);
        }
    }

    private byte[] Make(byte[] planned)
    {
        lock (_gate)
        {
            (_state, _byHand) = (Read(planned, 1).AsSpan().SequenceEqual(Null) ? null : planned, null);
            Applied++;
            return planned;
        }
    }

    private static byte[] Schema(byte[] block) => Field(2, block);

    private static byte[] Attribute(string name) => [.. Field(1, Encoding.UTF8.GetBytes(name)), .. Field(2, "\"string\""u8), 4 << 3, 1]; // the last: required

    /// <summary>A member of a protobuf message that has a length.</summary>
    private static byte[] Field(int number, ReadOnlySpan<byte> value)
    {
        List<byte> field = [(byte)((number << 3) | 2)];
        var length = (uint)value.Length;
        for (; length > 0x7f; length >>= 7)
        {
            field.Add((byte)(length | 0x80));
        }

        return [.. field, (byte)length, .. value];
    }

    /// <summary>The member of this number, which has a length; empty where there is none.</summary>
    private static byte[] Read(byte[] message, int wanted)
    {
        for (var at = 0; at < message.Length;)
        {
            var key = (int)Varint(message, ref at);
            var value = Varint(message, ref at);
            if ((key & 7) == 0)
            {
                continue; // a number
            }

            if (key >> 3 == wanted)
            {
                return message[at..(at + (int)value)];
            }

            at += (int)value;
        }

        return [];
    }

    private static ulong Varint(byte[] message, ref int at)
    {
        ulong value = 0;
        for (var shift = 0; ; shift += 7)
        {
            var next = message[at++];
            value |= (ulong)(next & 0x7f) << shift;
            if (next < 0x80)
            {
                return value;
            }
        }
    }
}
