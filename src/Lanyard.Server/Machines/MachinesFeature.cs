using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runtime;
using Lanyard.Server.Http;
using Lanyard.Server.Machines.Identities;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Lanyard.Server.Machines;

/// <summary>
/// Owns machines, the VMs that hold a runtime token: <c>/v1/workspaces/{workspace}/machines</c>. Making one answers its token once; a machine that is
/// deleted or has expired is dead to every door (<see cref="MachineDirectory"/> is asked by the bearer door). It does not know what a runtime token is
/// good for.
/// </summary>
internal static class MachinesFeature
{
    public static IServiceCollection AddMachines(this IServiceCollection services)
    {
        services.AddSingleton<MachineStore>();
        services.AddSingleton<MachineDirectory>();
        services.AddSingleton<MachineTokens>().AddSingleton<RenewalBudget>().AddSingleton<MachineCreation>().AddSingleton<MachineIdentityStore>().AddSingleton<MachineIdentityTokens>();
        services.AddSingleton<MachineSightings>().AddHostedService(static provider => provider.GetRequiredService<MachineSightings>());
        services.AddSingleton<MachineSweeper>().AddHostedService(static provider => provider.GetRequiredService<MachineSweeper>());
        services.AddContent(Home.Workspace, "machine identities", static id => $"select slug as name from machine_identities where workspace = {id}");
        services.AddSingleton(new HomeContent(
            Home.Workspace, "machines", static (id, now) => $"select id as name from machines where workspace = {id} and ended is null and expires > {now}"));
        services.AddRemnant(Home.Workspace, static id => $"delete from machines where workspace = {id}");
        return services;
    }

    /// <summary>What needs the door that judges foreign tokens.</summary>
    public static IServiceCollection AddMachineAttestation(this IServiceCollection services) => services.AddSingleton<AttestationBudgets>().AddSingleton<MachineAttestations>();

    public static void MapMachineAttestation(this IEndpointRouteBuilder routes) =>
        routes.MapPost("/runtime/machines", MachineAttestations.PostAsync).ExcludeFromDescription().WithMetadata(OwnBearer.Instance);

    public static void MapMachines(this IEndpointRouteBuilder routes)
    {
        var group = routes.MapGroup("/v1/workspaces/{workspace}/machines").WithTags("Machines");
        group.MapGet("", MachineEndpoints.ListAsync).WithName("listMachines").Produces<MachineList>();
        group.MapPost("", MachineEndpoints.CreateAsync).WithName("createMachine")
            .Accepts<MachineRequest>("application/json").Produces<MachineCreated>(StatusCodes.Status201Created);
        group.MapGet("/{machine}", MachineEndpoints.GetAsync).WithName("getMachine").Produces<MachineView>();
        group.MapDelete("/{machine}", MachineEndpoints.DeleteAsync).WithName("deleteMachine").Produces(StatusCodes.Status204NoContent);
        routes.MapPost("/runtime/machines/renew", MachineRenewal.PostAsync).ExcludeFromDescription();

        var identities = routes.MapGroup("/v1/workspaces/{workspace}/machine-identities").WithTags("Machines");
        identities.MapGet("", MachineIdentityEndpoints.ListAsync).WithName("listMachineIdentities").Produces<ResourceList<MachineIdentitySpec>>();
        identities.MapGet("/{identity}", MachineIdentityEndpoints.GetAsync).WithName("getMachineIdentity").Produces<Resource<MachineIdentitySpec>>();
        identities.MapPut("/{identity}", MachineIdentityEndpoints.PutAsync).WithName("putMachineIdentity").Accepts<ResourceWrite<MachineIdentitySpec>>("application/json")
            .Produces<Resource<MachineIdentitySpec>>().Produces<Resource<MachineIdentitySpec>>(StatusCodes.Status201Created);
        identities.MapDelete("/{identity}", MachineIdentityEndpoints.DeleteAsync).WithName("deleteMachineIdentity").Produces(StatusCodes.Status204NoContent);
    }
}
