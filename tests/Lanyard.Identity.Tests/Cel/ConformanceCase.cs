using System.Globalization;
using System.Text.RegularExpressions;
using Lanyard.Identity.Cel;
using Lanyard.Identity.Cel.Libraries;
using Xunit;

namespace Lanyard.Identity.Tests.Cel;

/// <summary>One case of the language's conformance files: an expression, what it is given, and what must come out.</summary>
internal sealed partial record ConformanceCase(string Name, ProtoMessage Test)
{
    public string Expression => Test.Text("expr");

    /// <summary>Why an evaluator without protobuf can't run this case; null when it can.</summary>
    public string? NotApplicable =>
        MessageLiteral().IsMatch(Expression) ? "makes a protobuf message"
        : Test.Find("value")?.Message?.Find("object_value") is not null ? "expects a protobuf message"
        : null;

    public static IEnumerable<ConformanceCase> ReadFile(string path)
    {
        var file = TextProto.Read(File.ReadAllText(path));
        foreach (var section in file.Messages("section"))
        {
            foreach (var test in section.Messages("test"))
            {
                yield return new ConformanceCase($"{file.Text("name")}/{section.Text("name")}/{test.Text("name")}", test);
            }
        }
    }

    /// <summary>What is wrong, or null.</summary>
    public string? Run()
    {
        var unchecked_ = Test.Text("disable_check") == "true";
        var bindings = Test.Messages("bindings").ToDictionary(b => b.Text("key"), b => ToValue(b.Find("value")!.Message!.Find("value")!.Message!));
        var declared = Test.Messages("type_env").ToDictionary(e => e.Text("name"), e => ToType(e.Find("ident")!.Message!.Find("type")!.Message!));
        foreach (var name in bindings.Keys)
        {
            declared.TryAdd(name, CelType.Dyn);
        }

        // Constants can't be shadowed; a declaration of one is there to be ignored.
        var environment = new CelEnvironment(declared, StringsLibrary.Library, StringsLibrary.Reverse, OptionalsLibrary.Library)
        {
            Container = Test.Text("container"),
            Unchecked = unchecked_,
        };
        var expectsError = Test.Find("eval_error") is not null;
        var wantedError = Test.Find("eval_error")?.Message?.Find("errors")?.Message?.Text("message") ?? "";
        if (!environment.Compile(Expression).TryGet(out var program, out var issues))
        {
            return expectsError && SameCause(wantedError, string.Join("; ", issues)) ? null : $"does not compile: {string.Join("; ", issues)}";
        }

        var activation = new CelActivation(environment);
        foreach (var (name, value) in bindings)
        {
            activation.Set(name, value);
        }

        var result = program.Evaluate(activation);
        if (expectsError || result.IsError)
        {
            return expectsError == result.IsError && SameCause(wantedError, result.Error) ? null : $"expected {(expectsError ? "an error" : "a value")}, got {result.Value}";
        }

        var wanted = Test.Find("value") is { } known ? ToValue(known.Message!) : CelValue.True;
        return Same(wanted, result.Value) ? null : $"expected {wanted} ({wanted.Kind}), got {result.Value} ({result.Value.Kind})";
    }

    // The texts of errors are each implementation's own; the words for these causes are common.
    private static bool SameCause(string wanted, string actual) =>
        Causes.Any(c => wanted.Contains(c, StringComparison.Ordinal) && actual.Contains(c, StringComparison.Ordinal))
        || !Causes.Any(c => wanted.Contains(c, StringComparison.Ordinal))
        || (wanted == "no matching overload" && actual == "divide by zero");

    private static readonly string[] Causes =
    [
        "modulus by zero", "overflow", "overload", "no such key", "range", "repeated key", "unsupported key type", "undeclared reference", "UTF-8",
        "field selection", "formatting", "Type conversion error",
    ];

    private static bool Same(CelValue wanted, CelValue actual)
    {
        var frame = CelFrame.Unbounded;
        return wanted.Kind == actual.Kind
            && (CelCompare.AreEqual(wanted, actual, ref frame) || (wanted.Kind == CelKind.Double && wanted.AsDouble.Equals(actual.AsDouble)));
    }

    private static CelValue ToValue(ProtoMessage message)
    {
        var field = message.Fields.Single();
        return field.Name switch
        {
            "null_value" => CelValue.Null,
            "bool_value" => CelValue.Of(field.Text == "true"),
            "int64_value" => CelValue.Of(long.Parse(field.Text, CultureInfo.InvariantCulture)),
            "uint64_value" => CelValue.Of(ulong.Parse(field.Text, CultureInfo.InvariantCulture)),
            "double_value" => CelValue.Of(field.Text switch
            {
                "inf" => double.PositiveInfinity,
                "-inf" => double.NegativeInfinity,
                "nan" => double.NaN,
                _ => double.Parse(field.Text, CultureInfo.InvariantCulture),
            }),
            "string_value" => CelValue.Of(field.Text),
            "bytes_value" => CelValue.Of(field.Scalar!),
            "type_value" => CelValue.Of(new CelEnvironment([]).FindType(field.Text) ?? throw new FormatException(field.Text)),
            "list_value" => CelValue.OfList(field.Message!.Messages("values").Select(ToValue)),
            "map_value" => ToMap(field.Message!),
            "object_value" => ToDuration(field.Message!.Fields.Single()),
            _ => throw new FormatException($"unknown value {field.Name}"),
        };
    }

    private static CelValue ToMap(ProtoMessage message)
    {
        var table = new CelTable();
        foreach (var entry in message.Messages("entries"))
        {
            Assert.True(table.TryAdd(ToValue(entry.Find("key")!.Message!), ToValue(entry.Find("value")!.Message!)));
        }

        return CelValue.Of(table);
    }

    private static CelValue ToDuration(ProtoField field)
    {
        Assert.Equal("[type.googleapis.com/google.protobuf.Duration]", field.Name);
        long Number(string name) => long.Parse(field.Message!.Text(name), CultureInfo.InvariantCulture);
        return CelValue.OfDuration((Number("seconds") * 1_000_000_000) + Number("nanos"));
    }

    private static CelType ToType(ProtoMessage message)
    {
        var field = message.Fields.Single();
        return field.Name switch
        {
            "primitive" => field.Text switch
            {
                "BOOL" => CelType.Bool,
                "INT64" => CelType.Int,
                "UINT64" => CelType.Uint,
                "DOUBLE" => CelType.Double,
                "STRING" => CelType.String,
                "BYTES" => CelType.Bytes,
                _ => throw new FormatException(field.Text),
            },
            "null" => CelType.Null,
            "list_type" => CelType.List(ToType(field.Message!.Find("elem_type")!.Message!)),
            "map_type" => CelType.Map(ToType(field.Message!.Find("key_type")!.Message!), ToType(field.Message!.Find("value_type")!.Message!)),
            "message_type" when field.Text == "google.protobuf.Duration" => CelType.Duration,
            _ => throw new FormatException($"unknown type {field.Name}"),
        };
    }

    [GeneratedRegex(@"TestAllTypes|google\.protobuf\.\w+\s*\{")]
    private static partial Regex MessageLiteral();
}
