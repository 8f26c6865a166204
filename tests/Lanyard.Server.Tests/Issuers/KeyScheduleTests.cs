using Lanyard.Server.Issuers;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Issuers;

[Line("2.2")]
public sealed class KeyScheduleTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private readonly KeySchedule _schedule = KeySchedule.Default;

    [Fact]
    public void An_issuer_without_keys_gets_one_that_signs_at_once()
    {
        Assert.IsType<KeyStep.Publish>(Assert.Single(_schedule.Due([], Start)));
        var published = new KeyAge("a", KeyStates.Next, Start, null, null);
        Assert.Equal(new KeyStep.Activate("a"), Assert.Single(_schedule.Due([published], Start)));
    }

    [Fact]
    public void The_next_key_is_published_a_lead_before_it_signs()
    {
        var active = Active("a", Start);
        Assert.Empty(_schedule.Due([active], Start + _schedule.Period - _schedule.PublishLead - TimeSpan.FromSeconds(1)));
        Assert.IsType<KeyStep.Publish>(Assert.Single(_schedule.Due([active], Start + _schedule.Period - _schedule.PublishLead)));
    }

    [Fact]
    public void A_next_key_that_was_published_late_waits_for_its_lead_even_when_the_period_is_over()
    {
        var late = Start + _schedule.Period + TimeSpan.FromDays(3);
        KeyAge[] keys = [Active("a", Start), new("b", KeyStates.Next, late, null, null)];
        Assert.Empty(_schedule.Due(keys, late + _schedule.PublishLead - TimeSpan.FromSeconds(1)));
        Assert.Equal(new KeyStep.Activate("b"), Assert.Single(_schedule.Due(keys, late + _schedule.PublishLead)));
    }

    [Fact]
    public void A_retired_key_stays_published_for_the_longest_token_and_the_caches_of_relying_parties()
    {
        Assert.True(_schedule.RetireFor > TimeSpan.FromMinutes(60) + TimeSpan.FromHours(23));
        KeyAge[] keys = [Active("b", Start), new("a", KeyStates.Retired, Start, Start, Start)];
        Assert.Empty(_schedule.Due(keys, Start + _schedule.RetireFor - TimeSpan.FromSeconds(1)));
        Assert.Equal(new KeyStep.Remove("a"), Assert.Single(_schedule.Due(keys, Start + _schedule.RetireFor)));
    }

    [Fact]
    public void A_command_publishes_first_and_does_not_activate_what_relying_parties_cannot_know()
    {
        Assert.IsType<KeyStep.Publish>(_schedule.OnCommand([Active("a", Start)], Start, atOnce: false));
        KeyAge[] keys = [Active("a", Start), new("b", KeyStates.Next, Start, null, null)];
        Assert.Null(_schedule.OnCommand(keys, Start + TimeSpan.FromHours(23), atOnce: false));
        Assert.Equal(new KeyStep.Activate("b"), _schedule.OnCommand(keys, Start + TimeSpan.FromHours(24), atOnce: false));
        Assert.Equal(new KeyStep.Activate("b"), _schedule.OnCommand(keys, Start, atOnce: true));
    }

    [Fact]
    [Line("6.8")]
    public void A_key_that_was_activated_before_everybody_can_know_it_is_warned_of_until_they_do_and_the_first_key_never()
    {
        KeyAge leaked = new("a", KeyStates.Retired, Start, Start, Start + TimeSpan.FromDays(10));
        KeyAge hasty = new("b", KeyStates.Active, Start + TimeSpan.FromDays(10), Start + TimeSpan.FromDays(10), null);
        Assert.Empty(_schedule.Warnings([Active("a", Start)], Start));

        Assert.Contains("b signs since", Assert.Single(_schedule.Warnings([leaked, hasty], Start + TimeSpan.FromDays(10))), StringComparison.Ordinal);
        Assert.Single(_schedule.Warnings([leaked, hasty], Start + TimeSpan.FromDays(11) - TimeSpan.FromSeconds(1)));
        Assert.Empty(_schedule.Warnings([leaked, hasty], Start + TimeSpan.FromDays(11)));
        Assert.Empty(_schedule.Warnings([leaked, hasty with { PublishedAt = Start + TimeSpan.FromDays(9) }], Start + TimeSpan.FromDays(10)));
    }

    private static KeyAge Active(string id, DateTimeOffset since) => new(id, KeyStates.Active, since, since, null);
}
