using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lanyard.Protocol.Runs;

/// <summary>The dialect of the run protocol: camelCase, unknown members refused, numbers are numbers.</summary>
[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web,
    NumberHandling = JsonNumberHandling.Strict,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(SessionRequest))]
[JsonSerializable(typeof(SessionResponse))]
[JsonSerializable(typeof(PollRequest))]
[JsonSerializable(typeof(PollResponse))]
[JsonSerializable(typeof(HeartbeatRequest))]
[JsonSerializable(typeof(HeartbeatResponse))]
[JsonSerializable(typeof(AcceptRequest))]
[JsonSerializable(typeof(AttemptPayload))]
[JsonSerializable(typeof(StartRequest))]
[JsonSerializable(typeof(StepReport))]
[JsonSerializable(typeof(LogAppended))]
[JsonSerializable(typeof(EndRequest))]
[JsonSerializable(typeof(AttemptAnswer))]
[JsonSerializable(typeof(BatchRequest))]
[JsonSerializable(typeof(BatchedCall))]
[JsonSerializable(typeof(BatchResponse))]
[JsonSerializable(typeof(PodReport))]
[JsonSerializable(typeof(EventsReport))]
[JsonSerializable(typeof(HoldRequest))]
[JsonSerializable(typeof(HoldAnswer))]
[JsonSerializable(typeof(RunnerRegistration))]
[JsonSerializable(typeof(RunnerRegistrationAnswer))]
public sealed partial class RunnerJson : JsonSerializerContext;
