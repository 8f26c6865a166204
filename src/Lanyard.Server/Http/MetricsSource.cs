using Lanyard.Protocol.Telemetry;

namespace Lanyard.Server.Http;

/// <summary>A room's own part of <c>/metrics</c>; each room that has one puts it in.</summary>
internal delegate void MetricsSource(PrometheusText text);
