namespace Lanyard.Server.Cache.Protocol;

internal enum TwirpKind
{
    Text,
    Texts,
    Int64,
    Bool,

    /// <summary>A message inside that nobody reads.</summary>
    Ignored,
}

/// <param name="Number">Its number in protobuf.</param>
/// <param name="Name">Its name in JSON, in snake case.</param>
internal sealed record TwirpField(int Number, string Name, TwirpKind Kind);

/// <summary>
/// The messages of <c>github.actions.results.api.v1.CacheService</c>: the fields' numbers and names, from which both encodings are read and written.
/// </summary>
internal static class TwirpSchema
{
    private static readonly TwirpField Metadata = new(1, "metadata", TwirpKind.Ignored);

    public static IReadOnlyList<TwirpField> CreateRequest { get; } =
        [Metadata, new(2, "key", TwirpKind.Text), new(3, "version", TwirpKind.Text)];

    public static IReadOnlyList<TwirpField> CreateResponse { get; } =
        [new(1, "ok", TwirpKind.Bool), new(2, "signed_upload_url", TwirpKind.Text), new(3, "message", TwirpKind.Text)];

    public static IReadOnlyList<TwirpField> FinalizeRequest { get; } =
        [Metadata, new(2, "key", TwirpKind.Text), new(3, "size_bytes", TwirpKind.Int64), new(4, "version", TwirpKind.Text)];

    public static IReadOnlyList<TwirpField> FinalizeResponse { get; } =
        [new(1, "ok", TwirpKind.Bool), new(2, "entry_id", TwirpKind.Int64), new(3, "message", TwirpKind.Text)];

    public static IReadOnlyList<TwirpField> DownloadRequest { get; } =
        [Metadata, new(2, "key", TwirpKind.Text), new(3, "restore_keys", TwirpKind.Texts), new(4, "version", TwirpKind.Text)];

    public static IReadOnlyList<TwirpField> DownloadResponse { get; } =
        [new(1, "ok", TwirpKind.Bool), new(2, "signed_download_url", TwirpKind.Text), new(3, "matched_key", TwirpKind.Text)];
}
