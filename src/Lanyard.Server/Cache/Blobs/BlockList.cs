using System.Text;
using System.Xml;

namespace Lanyard.Server.Cache.Blobs;

/// <summary>The body of Put Block List: block ids in the order in which they make the blob.</summary>
internal static class BlockList
{
    /// <summary>Azure's own limit for a blob.</summary>
    public const int MaxBlocks = 50_000;

    /// <summary>So many blocks an entry may have however small they are: each costs a row and a file, which no quota counts.</summary>
    public const int SmallBlocks = 1000;

    /// <summary>And one more for each of these. Clients' blocks have a MiB and more.</summary>
    private const int LeastBytes = 64 * 1024;

    public const int MaxBytes = 8 * 1024 * 1024;

    private const int MaxIdBytes = 64;

    /// <summary>As many bytes in base64.</summary>
    public const int MaxIdLength = 88;

    private static readonly string[] Kinds = ["Latest", "Uncommitted", "Committed"];

    /// <summary>How many blocks so many bytes may have.</summary>
    public static long MostOf(long bytes) => Math.Min(MaxBlocks, SmallBlocks + (bytes / LeastBytes));

    /// <returns>The ids as they were sent; null for what is no block list. Nothing outside the document is ever read.</returns>
    public static IReadOnlyList<string>? Read(byte[] xml)
    {
        var settings = new XmlReaderSettings
        {
            DtdProcessing = DtdProcessing.Prohibit,
            XmlResolver = null,
            MaxCharactersInDocument = MaxBytes,
            IgnoreComments = true,
            IgnoreWhitespace = true,
        };
        try
        {
            using var reader = XmlReader.Create(new MemoryStream(xml), settings);
            if (reader.MoveToContent() != XmlNodeType.Element || reader.LocalName != "BlockList") return null;
            var ids = new List<string>();
            if (reader.IsEmptyElement) return ids;
            reader.Read();
            while (reader.NodeType == XmlNodeType.Element)
            {
                if (!Kinds.Contains(reader.LocalName) || ids.Count == MaxBlocks) return null;
                var id = reader.ReadElementContentAsString().Trim();
                if (!IsId(id)) return null;
                ids.Add(id);
            }

            return ids;
        }
        catch (Exception exception) when (exception is XmlException or DecoderFallbackException)
        {
            return null;
        }
    }

    /// <summary>Base64 of at most 64 bytes.</summary>
    public static bool IsId(string id) => id.Length is > 0 and <= MaxIdLength && Convert.TryFromBase64String(id, stackalloc byte[MaxIdLength], out var bytes) && bytes <= MaxIdBytes;
}
