namespace Lanyard.Server.Cache.Protocol;

/// <summary>A message by its schema: values by the field's name. An absent field has its type's empty value, as protobuf has it.</summary>
internal sealed class TwirpMessage(IReadOnlyList<TwirpField> schema)
{
    private readonly Dictionary<string, object> _values = new(StringComparer.Ordinal);

    public IReadOnlyList<TwirpField> Schema { get; } = schema;

    public string Text(string name) => _values.GetValueOrDefault(name) as string ?? "";

    public IReadOnlyList<string> Texts(string name) => _values.GetValueOrDefault(name) as List<string> ?? [];

    public long Number(string name) => _values.GetValueOrDefault(name) is long number ? number : 0;

    public object? Find(string name) => _values.GetValueOrDefault(name);

    public TwirpMessage Set(string name, object value)
    {
        _values[name] = value;
        return this;
    }

    public void Add(string name, string value)
    {
        if (_values.GetValueOrDefault(name) is List<string> present) present.Add(value);
        else _values[name] = new List<string> { value };
    }
}
