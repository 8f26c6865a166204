namespace Lanyard.Identity.Cel;

/// <summary>Groups and flags.</summary>
internal sealed partial class PatternReader
{
    private void OpenGroup()
    {
        _groups.Push((_multiline, _dotAll, _out.Length, _size));
        _size = 0;
        if (_at >= _pattern.Length || _pattern[_at] != '?')
        {
            _out.Append('(');
            _item = -1;
            return;
        }

        var rest = _pattern.AsSpan(_at);
        var name = rest.StartsWith("?P<", StringComparison.Ordinal) ? 3 : rest.StartsWith("?<", StringComparison.Ordinal) ? 2 : 0;
        if (name > 0)
        {
            ReadName(rest[name..], name);
        }
        else
        {
            ReadFlags();
        }
    }

    private void ReadName(ReadOnlySpan<char> rest, int prefix)
    {
        var end = rest.IndexOf('>');
        var isName = end > 0 && (char.IsAsciiLetter(rest[0]) || rest[0] == '_');
        for (var i = 0; isName && i < end; i++)
        {
            isName = char.IsAsciiLetterOrDigit(rest[i]) || rest[i] == '_';
        }

        if (!isName)
        {
            Refuse("look-around, or a bad group name");
            return;
        }

        // The platform numbers named groups after the others: unnamed in its place, so that group 1 stays group 1.
        _out.Append('(');
        _item = -1;
        _at += prefix + end + 1;
    }

    // (?flags) holds to the end of the group around it, (?flags:…) inside.
    private void ReadFlags()
    {
        var on = true;
        var fold = (bool?)null;
        for (_at++; _at < _pattern.Length && _problem is null; _at++)
        {
            switch (_pattern[_at])
            {
                case '-': on = false; break;
                case 'i': fold = on; break;
                case 'm': _multiline = on; break;
                case 's': _dotAll = on; break;
                case ':':
                    _at++;
                    _out.Append(fold is null ? "(?:" : fold.Value ? "(?i:" : "(?-i:");
                    _item = -1;
                    return;
                case ')':
                    _at++;
                    _size = _groups.Pop().Size;
                    _out.Append(fold is null ? "" : fold.Value ? "(?i)" : "(?-i)");
                    _item = -1;
                    return;
                default: Refuse("look-around, or an unknown flag"); break;
            }
        }

        Refuse("missing ')'");
    }

    private void CloseGroup()
    {
        if (!_groups.TryPop(out var group))
        {
            Refuse("unexpected ')'");
            return;
        }

        (_multiline, _dotAll) = (group.Multiline, group.DotAll);
        _out.Append(')');
        _item = group.Start;
        var inner = Math.Max(1, _size);
        _size = group.Size;
        Grow(inner);
    }
}
