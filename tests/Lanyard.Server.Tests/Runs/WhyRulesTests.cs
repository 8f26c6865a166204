using System.Reflection;
using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Runs;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

/// <summary>Each reason by itself: what is told of a run that waits, and of each runner that does not take it.</summary>
[Line("5.5")]
public sealed class WhyRulesTests
{
    private const long Now = 1_800_000_000_000;
    private const string Collection = "col_1";

    private static readonly ServingRunner Ready = new("rnr_1", "r1", Spec(), Now, 4, ["x64"], ["process"], IsSandboxed: true, Collection, Live: 0, Spent: false);
    private static readonly WaitingFacts Waiting = new(Collection, new QueueKey(Collection, null, []), CollectionStates.Active, null, 0, 0, Now);

    public static TheoryData<string, string> Reasons => new()
    {
        { WhyCodes.Next, "1 runner could take it: it is offered next" },
        { WhyCodes.Behind, "3 runs of higher priority, or older, are before it" },
        { WhyCodes.CollectionPaused, "the collection is paused" },
        { WhyCodes.CollectionDraining, "the collection is being drained: what waits is canceled" },
        { WhyCodes.CollectionLimit, "the collection has 2 attempts, and its limit is 2" },
        { WhyCodes.NoRunner, "no runner serves the collection" },
        { WhyCodes.NoRunnerWithLabel, "no runner with label gpu is online" },
        { WhyCodes.RunnerLacksLabel, "runner r1 does not have the label gpu" },
        { WhyCodes.RunnerOffline, "runner r1 is not online" },
        { WhyCodes.RunnerPaused, "runner r1 is paused" },
        { WhyCodes.RunnerDraining, "runner r1 is being drained" },
        { WhyCodes.RunnerCordoned, "runner r1 is cordoned: it takes only runs that name it" },
        { WhyCodes.RunnerAtCapacity, "runner r1 is at capacity (2 of 2)" },
        { WhyCodes.RunnerNoRoom, "runner r1 takes no run: the disk of its host is full" },
        { WhyCodes.RunnerServesAnother, "runner r1 has no sandboxes, and serves the first of its collections only" },
        { WhyCodes.RunnerSpent, "runner r1 is ephemeral and has had its run" },
        { WhyCodes.RunnerIsAnother, "runner r1 is not the one that the run names" },
    };

    [Theory]
    [MemberData(nameof(Reasons))]
    public void What_keeps_a_run_waiting_is_named(string code, string text)
    {
        var (facts, runners) = Scene(code);
        Assert.Contains(new WhyReason(code, text, code.StartsWith("runner_", StringComparison.Ordinal) ? "r1" : null), WhyRules.Reasons(facts, runners));
    }

    /// <summary>What is told of a run that does not wait for a runner is in <see cref="WhyTests"/>, <see cref="WhyEndedTests"/> and <see cref="PlanTests"/>.</summary>
    [Fact]
    public void No_reason_is_without_a_test()
    {
        var all = typeof(WhyCodes).GetFields(BindingFlags.Public | BindingFlags.Static).Select(static field => (string)field.GetRawConstantValue()!);
        Assert.Equal(
            all.Except([WhyCodes.Finished, WhyCodes.Attempt, WhyCodes.Canceled, WhyCodes.Log, WhyCodes.Running, WhyCodes.Offered, WhyCodes.Approval]).Order(StringComparer.Ordinal),
            Reasons.Select(static row => row.Data.Item1).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Labels_that_several_runners_have_between_them_and_none_has_all_of_are_said_to_be_missing_together()
    {
        var facts = Waiting with { Queue = new QueueKey(Collection, null, ["gpu", "x64"]) };
        var reasons = WhyRules.Reasons(facts, [Ready, Ready with { Id = "rnr_2", Slug = "r2", Labels = ["gpu"] }]);
        Assert.Equal("no runner online has all of the labels gpu, x64", reasons[0].Text);
        Assert.Equal(["runner r1 does not have the label gpu", "runner r2 does not have the label x64"], reasons.Skip(1).Select(static r => r.Text));
    }

    [Fact]
    public void A_run_for_pods_waits_for_a_runner_that_makes_pods()
    {
        var facts = Waiting with { Queue = new QueueKey(Collection, null, ["executor:kubernetes"]) };
        Assert.Equal("no runner with label executor:kubernetes is online", WhyRules.Reasons(facts, [Ready])[0].Text);
        Assert.Equal(WhyCodes.Next, WhyRules.Reasons(facts, [Ready, Ready with { Executors = ["kubernetes"] }])[0].Code);
    }

    [Fact]
    public void Of_a_run_that_names_its_runner_that_ones_reason_comes_first_and_of_others_the_one_that_may_pass_soonest()
    {
        var offline = Ready with { Id = "rnr_2", Slug = "r2", LastSeen = Now - 121_000 };
        var full = Ready with { Id = "rnr_3", Slug = "r3", Live = 4 };
        Assert.Equal([WhyCodes.RunnerAtCapacity, WhyCodes.RunnerOffline], WhyRules.Reasons(Waiting, [offline, full]).Select(static r => r.Code));
        var named = Waiting with { Queue = new QueueKey(Collection, "rnr_2", []) };
        Assert.Equal([WhyCodes.RunnerOffline, WhyCodes.RunnerIsAnother, WhyCodes.RunnerIsAnother], WhyRules.Reasons(named, [Ready, offline, full]).Select(static r => r.Code));
    }

    [Fact]
    public void What_a_runner_of_another_version_lacks_is_told_by_its_word_and_before_that_it_is_busy()
    {
        var reason = Assert.Single(WhyRules.Reasons(Waiting, [Ready with { NoRoom = "memory", Live = 4 }]));
        Assert.Equal((WhyCodes.RunnerNoRoom, "runner r1 takes no run: it says that it has no room (memory)"), (reason.Code, reason.Text));
    }

    [Fact]
    public void Where_one_runner_could_take_it_the_others_troubles_are_nobodys_concern()
    {
        var offline = Ready with { Id = "rnr_2", Slug = "r2", LastSeen = null };
        Assert.Equal([WhyCodes.Next], WhyRules.Reasons(Waiting, [offline, Ready]).Select(static r => r.Code));
        Assert.Equal([WhyCodes.CollectionPaused, WhyCodes.Behind], WhyRules.Reasons(Waiting with { State = CollectionStates.Paused, Ahead = 1 }, [offline, Ready]).Select(static r => r.Code));
    }

    private static string Spec(string more = "") => $$$"""{"collections":["one"],"identity":{"cluster":"lab","subject":"s"}{{{more}}}}""";

    private static (WaitingFacts Facts, ServingRunner[] Runners) Scene(string code) => code switch
    {
        WhyCodes.Behind => (Waiting with { Ahead = 3 }, [Ready]),
        WhyCodes.CollectionPaused => (Waiting with { State = CollectionStates.Paused }, [Ready]),
        WhyCodes.CollectionDraining => (Waiting with { State = CollectionStates.Draining }, [Ready]),
        WhyCodes.CollectionLimit => (Waiting with { Limit = 2, Live = 2 }, [Ready]),
        WhyCodes.NoRunner => (Waiting, []),
        WhyCodes.NoRunnerWithLabel or WhyCodes.RunnerLacksLabel => (Waiting with { Queue = new QueueKey(Collection, null, ["gpu"]) }, [Ready]),
        WhyCodes.RunnerOffline => (Waiting, [Ready with { LastSeen = Now - 121_000 }]),
        WhyCodes.RunnerPaused => (Waiting, [Ready with { Spec = Spec(",\"state\":\"paused\"") }]),
        WhyCodes.RunnerDraining => (Waiting, [Ready with { Spec = Spec(",\"state\":\"draining\"") }]),
        WhyCodes.RunnerCordoned => (Waiting, [Ready with { Spec = Spec(",\"state\":\"cordoned\"") }]),
        WhyCodes.RunnerAtCapacity => (Waiting, [Ready with { Spec = Spec(",\"concurrency\":2"), Live = 2 }]),
        WhyCodes.RunnerNoRoom => (Waiting, [Ready with { NoRoom = NoRoomReasons.Disk }]),
        WhyCodes.RunnerServesAnother => (Waiting, [Ready with { IsSandboxed = false, First = "col_2" }]),
        WhyCodes.RunnerSpent => (Waiting, [Ready with { Spec = Spec(",\"ephemeral\":true"), Spent = true }]),
        WhyCodes.RunnerIsAnother => (Waiting with { Queue = new QueueKey(Collection, "rnr_9", []) }, [Ready]),
        _ => (Waiting, [Ready]),
    };
}
