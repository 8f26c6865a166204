using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Lanyard.Cli.Issuers;
using Lanyard.Testing;
using Lanyard.Testing.Aws;
using Lanyard.Testing.Processes;
using Lanyard.Testing.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Lanyard.Cli.Tests.Issuers;

/// <summary>A static export is a copy that relying parties copy again: keys stand in it before they sign, and where that was too late, somebody is told.</summary>
[Line("6.8")]
public sealed class ExportPublishingTests : CliApiTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);
    private readonly List<JsonObject> _keys = [];

    private string Out => Path.Combine(Cli.Folder, "site");

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        Have("old", "active", Start);
        Api.OnRequest = async http =>
        {
            const string metadata = """{"issuer":"https://id.example/oidc/acme","jwks_uri":"https://id.example/oidc/acme/jwks"}""";
            await http.Response.WriteAsync(http.Request.Path.Value switch
            {
                "/v1/workspaces/acme/issuer" => new JsonObject { ["issuer"] = "https://id.example/oidc/acme", ["keys"] = new JsonArray([.. _keys.Select(static key => key.DeepClone())]) }.ToJsonString(),
                "/oidc/acme/jwks" => new JsonObject { ["keys"] = new JsonArray([.. _keys.Select(static key => new JsonObject { ["kid"] = key["kid"]!.DeepClone() })]) }.ToJsonString(),
                _ => metadata,
            });
            return true;
        };
    }

    [Fact]
    public void A_key_is_warned_of_for_as_long_as_a_copy_of_the_set_can_be_without_it()
    {
        var (old, next) = (new ExportedKey("old", "active", Start, Start), new ExportedKey("next", "next", Start.AddDays(10), null));
        var cache = TimeSpan.FromHours(12);
        var none = ExportHistory.Parse(null);
        var first = none.With([old], Start);
        Assert.Empty(first.Warnings(none, [old], cache, Start));

        // Exported an hour after it was made: twelve hours later everybody has it, and it does not sign before 24.
        var early = first.With([old, next], Start.AddDays(10).AddHours(1));
        Assert.Empty(early.Warnings(first, [old, next], cache, Start.AddDays(10).AddHours(1)));

        // Exported late: it may sign before everybody knows it.
        var late = first.With([old, next], Start.AddDays(10).AddHours(13));
        Assert.Contains("next may sign from 2026-11-12 00:00 UTC on", Assert.Single(late.Warnings(first, [old, next], cache, Start.AddDays(10).AddHours(13))), StringComparison.Ordinal);

        // It signs already, or was activated at once after a leak.
        var signing = next with { State = "active", ActiveAt = Start.AddDays(11) };
        var (retired, at) = (old with { State = "retired" }, Start.AddDays(11).AddHours(1));
        var tooLate = first.With([retired, signing], at);
        Assert.Contains("until 2026-11-12 13:00 UTC", Assert.Single(tooLate.Warnings(first, [retired, signing], cache, at)), StringComparison.Ordinal);
        Assert.Empty(ExportHistory.Parse(tooLate.ToJson()).Warnings(tooLate, [retired, signing], cache, at + cache));
    }

    [Fact]
    public async Task An_export_remembers_when_it_published_a_key_and_warns_with_exit_code_1()
    {
        Assert.Equal(0, await ExportAsync(Out));
        Assert.Equal("", Cli.Error.ToString());
        Assert.Equal(0, await ExportAsync(Out, "--check"));

        Have("hasty", "active", TimeProvider.System.GetUtcNow().AddMinutes(-5));
        Assert.Equal(1, await ExportAsync(Out, "--check"));
        Assert.Contains("! what", Cli.Error.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("hasty", await File.ReadAllTextAsync(Path.Combine(Out, "oidc/acme/jwks"), TestContext.Current.CancellationToken), StringComparison.Ordinal);

        Assert.Equal(1, await ExportAsync(Out));
        Assert.Contains("! hasty signs since", Cli.Error.ToString(), StringComparison.Ordinal);
        Assert.Contains("hasty", await File.ReadAllTextAsync(Path.Combine(Out, "oidc/acme/jwks"), TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.Equal(1, await ExportAsync(Out, "--check"));
        Assert.Equal(0, await ExportAsync(Out, "--relying-party-cache", "0"));
    }

    [Fact]
    [Needs("npm")]
    public async Task A_bucket_of_another_makers_store_gets_the_same_files()
    {
        var (node, modules) = await NodeScript.LocateAsync();
        var port = FreePort.Take().ToString(CultureInfo.InvariantCulture);
        await using var store = ChildProcess.Start(
            node, [Path.Combine(modules, "s3rver/bin/s3rver.js"), "-d", Directory.CreateDirectory(Path.Combine(Cli.Folder, "s3")).FullName, "-a", "127.0.0.1", "-p", port, "--silent", "--configure-bucket", "site"]);
        Cli.Environment["AWS_ENDPOINT_URL_S3"] = $"http://127.0.0.1:{port}";
        Cli.Environment["AWS_REGION"] = "eu-central-1";
        Cli.Environment["AWS_ACCESS_KEY_ID"] = Cli.Environment["AWS_SECRET_ACCESS_KEY"] = "S3RVER";
        await Eventually.HoldsAsync(async () => await ExportAsync("s3://site/id") == 0, "the store listens");

        Assert.Equal(0, await ExportAsync("s3://site/id", "--check"));
        using var http = new HttpClient();
        using var answer = await http.GetAsync(new Uri($"http://127.0.0.1:{port}/site/id/oidc/acme/jwks"), TestContext.Current.CancellationToken);
        Assert.Equal("""{"keys":[{"kid":"old"}]}""", await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal(("application/json", "public, max-age=300"), (answer.Content.Headers.ContentType?.MediaType, answer.Headers.CacheControl?.ToString()));
        store.Kill();
    }

    [Theory]
    [InlineData(null)]
    [InlineData("the-session-token")]
    public async Task Every_call_to_S3_is_signed_with_its_body_and_its_session(string? session)
    {
        await using var store = await StoreDouble.StartAsync(async request =>
        {
            var signature = AwsSignature.OfHeader(request);
            var body = await new StreamReader(request.Body).ReadToEndAsync();
            var isGood = signature is { AccessKeyId: "AKIDEXAMPLE", Region: "eu-central-1", Service: "s3" }
                && ((string[])["host", "x-amz-content-sha256", "x-amz-date"]).All(signature.Names.Contains) && signature.Names.Contains("x-amz-security-token") == session is not null
                && request.Headers["x-amz-content-sha256"] == Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(body)))
                && request.Headers["x-amz-security-token"].ToString() == (session ?? "")
                && signature.Matches("the-secret", request.Method, request.Path, [], name => request.Headers[name].ToString(), body);
            return isGood ? body : null;
        });
        Cli.Environment["AWS_ENDPOINT_URL_S3"] = store.Url;
        Cli.Environment["AWS_REGION"] = "eu-central-1";
        (Cli.Environment["AWS_ACCESS_KEY_ID"], Cli.Environment["AWS_SECRET_ACCESS_KEY"]) = ("AKIDEXAMPLE", "the-secret");
        if (session is not null) Cli.Environment["AWS_SESSION_TOKEN"] = session;

        Assert.Equal(0, await ExportAsync("s3://site/id"));
        Assert.Equal("""{"keys":[{"kid":"old"}]}""", store.Files["/site/id/oidc/acme/jwks"].Text);
        Assert.Equal(0, await ExportAsync("s3://site/id", "--check"));

        Cli.Environment["AWS_SECRET_ACCESS_KEY"] = "another";
        Assert.Equal(ExitCode.NotAuthenticated, await ExportAsync("s3://site/id"));
    }

    [Theory]
    [InlineData("gs://site/id", "/site/id/oidc/acme/jwks", "Cache-Control", "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE")]
    [InlineData("azblob://account/site/id", "/site/id/oidc/acme/jwks", "x-ms-blob-cache-control", "AZURE_STORAGE_BLOB_ENDPOINT")]
    public async Task Googles_and_Azures_stores_are_called_with_an_access_token(string place, string path, string header, string variable)
    {
        await using var store = await StoreDouble.StartAsync(static async request =>
            request.Headers.Authorization == "Bearer the-access-token" ? await new StreamReader(request.Body).ReadToEndAsync() : null);
        Cli.Environment[variable] = store.Url;

        Assert.Equal(ExitCode.Usage, await ExportAsync(place));
        Assert.Equal(0, await ExportAsync(place, "--bearer-file", Cli.Write("token", "the-access-token\n")));
        Assert.Equal(4, store.Files.Count);
        Assert.Equal("""{"keys":[{"kid":"old"}]}""", store.Files[path].Text);
        Assert.Equal("public, max-age=300", store.Files[path].Headers[header]);
        Assert.Equal(0, await ExportAsync(place, "--bearer-file", Cli.Write("token", "the-access-token\n"), "--check"));
        Assert.Equal(ExitCode.NotAuthenticated, await ExportAsync(place, "--bearer-file", Cli.Write("token", "another")));

        // A token is not sent in the clear to another machine.
        Cli.Environment[variable] = "http://storage.example";
        Assert.Equal(ExitCode.Usage, await ExportAsync(place, "--bearer-file", Cli.Write("token", "the-access-token\n")));
    }

    [Theory]
    [InlineData("s3://")]
    [InlineData("s3://user@bucket")]
    [InlineData("gs://bucket?x=1")]
    [InlineData("https://bucket.example/")]
    public async Task What_is_no_place_is_wrong_usage(string place) => Assert.Equal(ExitCode.Usage, await ExportAsync(place));

    private Task<int> ExportAsync(string place, params string[] more) => Cli.RunAsync(["issuer", "export", "acme", "--out", place, .. more]);

    private void Have(string keyId, string state, DateTimeOffset at)
    {
        if (state == "active") _keys.ForEach(static key => key["state"] = "retired");
        var key = new JsonObject { ["kid"] = keyId, ["alg"] = "RS256", ["state"] = state, ["createdAt"] = at.ToString("O", CultureInfo.InvariantCulture) };
        if (state == "active") key["activeAt"] = key["createdAt"]!.DeepClone();
        _keys.Add(key);
    }

    /// <summary>Objects by path; whom <c>read</c> does not take for the owner is refused.</summary>
    private sealed class StoreDouble(WebApplication app) : IAsyncDisposable
    {
        public string Url => app.Urls.First();

        public Dictionary<string, (string Text, Dictionary<string, string> Headers)> Files { get; } = [];

        /// <param name="read">The body of a good request; null: it is not one.</param>
        public static async Task<StoreDouble> StartAsync(Func<HttpRequest, Task<string?>> read)
        {
            var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
            builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
            builder.Services.AddLogging(static logging => logging.ClearProviders());
            var store = new StoreDouble(builder.Build());
            store.Run(read);
            await store.StartAsync();
            return store;
        }

        public ValueTask DisposeAsync() => app.DisposeAsync();

        private Task StartAsync() => app.StartAsync();

        private void Run(Func<HttpRequest, Task<string?>> read) => app.Run(async http =>
        {
            if (await read(http.Request) is not { } body) http.Response.StatusCode = 403;
            else if (http.Request.Method == "PUT") Files[http.Request.Path!] = (body, http.Request.Headers.ToDictionary(static header => header.Key, static header => header.Value.ToString(), StringComparer.OrdinalIgnoreCase));
            else if (Files.TryGetValue(http.Request.Path!, out var file)) await http.Response.WriteAsync(file.Text);
            else http.Response.StatusCode = 404;
        });
    }
}
