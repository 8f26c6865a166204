using Xunit;

// Most of these tests wait: for a lease to end, an offer to lapse, a process to start. Two at once kept two cores half idle.
[assembly: CollectionBehavior(MaxParallelThreads = 3)]
