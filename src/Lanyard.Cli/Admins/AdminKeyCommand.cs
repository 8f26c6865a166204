using System.CommandLine;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;
using Lanyard.Identity.Jose;

namespace Lanyard.Cli.Admins;

/// <summary><c>lanyard admin-key list | create FILE --name NAME | add FILE --name NAME | remove ID</c>: whose keys administer the instance.</summary>
internal static class AdminKeyCommand
{
    private const string Path = "/v1/admin-keys";

    public static Command Create(CliContext context) => new("admin-key", "The keys of administrators of the instance.") { List(context), New(context), Add(context), Remove(context) };

    private static Command List(CliContext context)
    {
        var command = new Command("list", "List the registered admin keys.");
        command.SetAction(async (arguments, cancellationToken) =>
        {
            using var api = context.Connect(arguments);
            var answer = await api.GetAsync(Path, cancellationToken);
            var items = (answer["items"] as JsonArray ?? []).OfType<JsonObject>();
            context.Print(arguments, answer, writer => Printing.Table(
                writer, ["ID", "NAME", "SINCE"], items.Select(key => new[] { HttpCall.Text(key["id"]), HttpCall.Text(key["name"]), Printing.Moment(key["createdAt"]) })));
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>The private key stays where it was made: what is registered is <c>FILE.jwk</c>, its public half.</summary>
    private static Command New(CliContext context)
    {
        var file = new Argument<string>("file") { Description = "where to write the private key (0600); its public half goes to FILE.jwk" };
        var command = new Command("create", "Make a key pair on this host, for an admin to add.") { file };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var path = arguments.GetValue(file)!;
            if (File.Exists(path)) throw new CommandStopped(ExitCode.Usage, $"{path} is there already, and a key is not written over.");
            using var key = SigningKey.Generate(SignatureAlgorithm.ES256);
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite };
            await using (var stream = new FileStream(path, options)) await stream.WriteAsync(System.Text.Encoding.ASCII.GetBytes(key.ExportPem()), cancellationToken);
            var set = JsonNode.Parse(KeySet.Of([key.Public]).ToJson())!;
            await File.WriteAllTextAsync(path + ".jwk", set["keys"]![0]!.ToJsonString() + "\n", cancellationToken);
            context.Say($"{path}.jwk is the public half. An admin lets its holder in: lanyard admin-key add {System.IO.Path.GetFileName(path)}.jwk --name NAME");
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Add(CliContext context)
    {
        var file = new Argument<string>("file") { Description = "the public key as a JWK (RFC 7517)" };
        var name = new Option<string>("--name") { Description = "whose it is", Required = true };
        var command = new Command("add", "Let the holder of a key administer the instance.") { file, name };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            if (HttpCall.TryParse(await File.ReadAllTextAsync(arguments.GetValue(file)!, cancellationToken)) is not JsonObject jwk)
            {
                throw new CommandStopped(ExitCode.Usage, $"{arguments.GetValue(file)} is no JWK.");
            }

            if (jwk.ContainsKey("d"))
            {
                throw new CommandStopped(ExitCode.Usage, $"{arguments.GetValue(file)} is a private key; give its public half.");
            }

            using var api = context.Connect(arguments);
            var added = await api.PostAsync(Path, new JsonObject { ["jwk"] = jwk, ["name"] = arguments.GetValue(name) }, cancellationToken);
            context.Print(arguments, added, writer => writer.WriteLine(HttpCall.Text(added["id"])));
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Remove(CliContext context)
    {
        var id = new Argument<string>("id") { Description = "as list shows it" };
        var command = new Command("remove", "End a key and every token that rests on it; the last one can't be removed.") { id };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            using var api = context.Connect(arguments);
            var path = $"{Path}/{Uri.EscapeDataString(arguments.GetValue(id)!)}";
            var answer = await api.SendAsync(HttpMethod.Delete, path, cancellationToken: cancellationToken);
            if (!answer.IsSuccess) throw ApiClient.Stopped(answer, path);
            context.Say($"{arguments.GetValue(id)}: removed, and every token that rests on it is dead");
            return ExitCode.Done;
        });
        return command;
    }
}
