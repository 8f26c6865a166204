using System.Data.Common;

namespace Lanyard.Server.Storage;

/// <summary>Reads of a row's columns in the types that both databases store.</summary>
internal static class Rows
{
    public static string? GetStringOrNull(this DbDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);

    public static long? GetInt64OrNull(this DbDataReader row, int column) => row.IsDBNull(column) ? null : row.GetInt64(column);

    /// <summary>Of a <c>bigint</c> column.</summary>
    public static int GetInt(this DbDataReader row, int column) => checked((int)row.GetInt64(column));

    /// <summary>Of a <c>bigint</c> column.</summary>
    public static int? GetIntOrNull(this DbDataReader row, int column) => row.IsDBNull(column) ? null : row.GetInt(column);

    /// <summary>Of a <c>bigint</c> column of Unix milliseconds.</summary>
    public static DateTimeOffset GetTime(this DbDataReader row, int column) => DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(column));

    public static DateTimeOffset? GetTimeOrNull(this DbDataReader row, int column) => row.IsDBNull(column) ? null : row.GetTime(column);

    public static byte[] GetBytes(this DbDataReader row, int column) => row.GetFieldValue<byte[]>(column);
}
