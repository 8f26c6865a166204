using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Federation;

/// <summary>Two servers on one PostgreSQL; the workspaces <c>acme</c> and <c>other</c> trust one issuer with a record each, and let team a read.</summary>
public abstract class TwoDoors : IAsyncLifetime
{
    private protected const string Collections = "/v1/workspaces/acme/collections";
    private TestDatabase _database = null!;

    private protected DoorServer First { get; private set; } = null!;

    private protected DoorServer Second { get; private set; } = null!;

    private protected TestIssuer Issuer { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        _database = await TestDatabase.CreateAsync(DatabaseKind.Postgres, migrate: false);
        Issuer = await TestIssuer.StartAsync();
        First = await DoorServer.StartAsync(database: _database.Location);
        Second = await DoorServer.StartAsync(database: _database.Location, beside: First);
        foreach (var workspace in (string[])["acme", "other"])
        {
            await First.PutAsync($"/v1/workspaces/{workspace}", "{}");
            await First.PutAsync($"/v1/workspaces/{workspace}/trusted-issuers/ci", $$$"""{"issuer":"{{{Issuer.Issuer}}}","allowPrivateAddresses":true,"keys":{"discovery":{} } }""");
            await First.PutAsync($"/v1/workspaces/{workspace}/trust-policies/all", """{"issuer":"ci","claims":{"team":"a"},"allow":{"roles":["viewer"]}}""");
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Second is not null) await Second.DisposeAsync();
        if (First is not null) await First.DisposeAsync();
        if (Issuer is not null) await Issuer.DisposeAsync();
        await _database.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private protected string Mint(string subject) => Issuer.Mint(First.Url, subject, static claims => claims["team"] = "a");

    private protected async Task<string> RevokeAsync(string home, string kind, string value)
    {
        var (status, json) = await First.SendAsync(HttpMethod.Post, home + "/revocations", new JsonObject { ["kind"] = kind, ["value"] = value, ["reason"] = "leaked" }.ToJsonString());
        Assert.Equal(HttpStatusCode.Created, status);
        return json["id"]!.GetValue<string>();
    }

    /// <summary>What introspection says of each, asked by the admin at both replicas.</summary>
    private protected async Task ActiveAsync(bool expected, params (string Path, string Token)[] tokens)
    {
        foreach (var (path, token) in tokens)
            foreach (var replica in (DoorServer[])[First, Second])
                await Eventually.HoldsAsync(
                    async () => (await replica.FormAsAdminAsync(path, ("token", token))).Json["active"]!.GetValue<bool>() == expected, $"{path} says active: {expected}");
    }

    /// <summary>At once where the change was made, soon on the other: the promise is a second, and a busy machine is given more.</summary>
    private protected async Task EverywhereAsync(string token, HttpStatusCode expected, string path = Collections)
    {
        Assert.Equal(expected, (await First.GetAsync(path, token)).Status);
        await Eventually.HoldsAsync(async () => (await Second.GetAsync(path, token)).Status == expected, $"the second replica answers {expected}");
    }
}
