using System.CommandLine;
using System.Net;
using System.Net.Http.Headers;
using Lanyard.Cli.Connection;

namespace Lanyard.Cli.Resources;

/// <summary><c>lanyard delete KIND NAME</c>: what is deleted is what was last seen (its ETag), nothing that changed meanwhile.</summary>
internal static class DeleteCommand
{
    public static Command Create(CliContext context)
    {
        var kind = ResourceKind.Argument();
        var name = new Argument<string>("name") { Description = "slug" };
        var missingIsFine = new Option<bool>("--ignore-not-found") { Description = "done if it does not exist" };
        var scope = new ScopeOptions();
        var command = new Command("delete", "Delete a resource.") { kind, name, missingIsFine };
        scope.AddTo(command);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var path = ResourcePath.Of(arguments.GetValue(kind)!, arguments, scope, context.Console, out var found);
            var target = $"{path}/{ScopeOptions.Checked(found.Name, arguments.GetValue(name))}";
            var title = ResourcePath.TitleOf(found, target);
            using var api = context.Connect(arguments);
            var present = await api.SendAsync(HttpMethod.Get, target, cancellationToken: cancellationToken);
            if (present.Status == HttpStatusCode.NotFound && arguments.GetValue(missingIsFine))
            {
                context.Say($"{title}: not there");
                return ExitCode.Done;
            }

            ApiClient.Expect(present, title);
            var etag = present.ETag is { } tag ? EntityTagHeaderValue.Parse(tag) : null;
            ApiClient.Expect(await api.SendAsync(HttpMethod.Delete, target, ifMatch: etag, cancellationToken: cancellationToken), title);
            context.Say($"{title}: deleted");
            return ExitCode.Done;
        });
        return command;
    }
}
