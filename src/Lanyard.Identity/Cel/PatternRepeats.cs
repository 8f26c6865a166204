using System.Globalization;

namespace Lanyard.Identity.Cel;

/// <summary>Quantifiers: what they may repeat, how often, and how much the pattern grows by it.</summary>
internal sealed partial class PatternReader
{
    private const int MostRepeats = 1000;

    private void ReadCount()
    {
        var end = _pattern.IndexOf('}', _at);
        var parts = end < 0 ? [] : _pattern[_at..end].Split(',');
        var most = 0;
        var isCount = parts.Length is 1 or 2 && TryCount(parts[0], out most);
        if (isCount && parts.Length == 2 && parts[1].Length > 0)
        {
            isCount = TryCount(parts[1], out var last);
            if (isCount && last < most)
            {
                Refuse("a count that ends before it begins");
            }

            most = last;
        }

        if (!isCount)
        {
            // RE2 takes a brace that begins no count as itself.
            Emit(@"\{");
            return;
        }

        var text = $"{{{_pattern.AsSpan(_at, end - _at)}}}";
        _at = end + 1;
        Repeat(text, Math.Max(1, most));
    }

    private static bool TryCount(string text, out int count)
    {
        count = 0;
        return text.Length is > 0 and <= 6 && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out count);
    }

    private void Repeat(string quantifier, int times)
    {
        if (_item < 0)
        {
            Refuse("nothing to repeat");
            return;
        }

        if (times > MostRepeats)
        {
            Refuse($"a count above {MostRepeats}");
        }

        _size -= _itemSize;
        Grow(_itemSize * Math.Min(times, MostRepeats));
        _out.Append(quantifier);
        if (_at < _pattern.Length && _pattern[_at] == '?')
        {
            _at++;
            _out.Append('?');
        }

        _item = -1;
    }
}
