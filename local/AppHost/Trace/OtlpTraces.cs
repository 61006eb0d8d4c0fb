using System.Buffers.Binary;
using System.Text;

namespace PiiMasking.AppHost;

/// <summary>Reads the few fields of OTLP's ExportTraceServiceRequest that a printed trace takes (opentelemetry-proto, trace/v1).</summary>
internal static class OtlpTraces
{
    private const int ResourceSpans = 1;

    /// <param name="request">Protobuf.</param>
    public static List<Span> Read(ReadOnlySpan<byte> request)
    {
        var spans = new List<Span>();
        for (var fields = new Fields(request); fields.Next();)
        {
            if (fields.Number == ResourceSpans)
                ReadResource(fields.Bytes, spans);
        }

        return spans;
    }

    private static void ReadResource(ReadOnlySpan<byte> message, List<Span> spans)
    {
        var service = "";
        // The resource is written before its spans.
        for (var fields = new Fields(message); fields.Next();)
        {
            if (fields.Number == 1)
                service = ServiceName(fields.Bytes);
            else if (fields.Number == 2)
                ReadScope(fields.Bytes, service, spans);
        }
    }

    private static string ServiceName(ReadOnlySpan<byte> resource)
    {
        for (var attributes = new Fields(resource); attributes.Next();)
        {
            if (attributes.Number == 1 && Text(attributes.Bytes, 1) == "service.name")
                return Text(Field(attributes.Bytes, 2), 1);
        }

        return "";
    }

    private static void ReadScope(ReadOnlySpan<byte> message, string service, List<Span> spans)
    {
        var library = "";
        for (var fields = new Fields(message); fields.Next();)
        {
            if (fields.Number == 1)
                library = Text(fields.Bytes, 1);
            else if (fields.Number == 2)
                spans.Add(ReadSpan(fields.Bytes, service, library));
        }
    }

    private static Span ReadSpan(ReadOnlySpan<byte> message, string service, string library)
    {
        var span = new Span("", "", "", "", service, library, 0, 0);
        for (var fields = new Fields(message); fields.Next();)
        {
            span = fields.Number switch
            {
                1 => span with { TraceId = Convert.ToHexStringLower(fields.Bytes) },
                2 => span with { Id = Convert.ToHexStringLower(fields.Bytes) },
                4 => span with { ParentId = Convert.ToHexStringLower(fields.Bytes) },
                5 => span with { Name = Encoding.UTF8.GetString(fields.Bytes) },
                7 => span with { Start = BinaryPrimitives.ReadUInt64LittleEndian(fields.Bytes) },
                8 => span with { End = BinaryPrimitives.ReadUInt64LittleEndian(fields.Bytes) },
                _ => span,
            };
        }

        return span;
    }

    private static string Text(ReadOnlySpan<byte> message, int number) => Encoding.UTF8.GetString(Field(message, number));

    private static ReadOnlySpan<byte> Field(ReadOnlySpan<byte> message, int number)
    {
        for (var fields = new Fields(message); fields.Next();)
        {
            if (fields.Number == number)
                return fields.Bytes;
        }

        return default;
    }

    /// <summary>Walks the fields of a protobuf message.</summary>
    private ref struct Fields(ReadOnlySpan<byte> message)
    {
        private ReadOnlySpan<byte> rest = message;

        public int Number { get; private set; }

        /// <summary>Of a field with a length, or the eight or four of a fixed one; empty for a number.</summary>
        public ReadOnlySpan<byte> Bytes { get; private set; }

        public bool Next()
        {
            if (rest.IsEmpty)
                return false;
            var tag = Varint();
            Number = (int)(tag >> 3);
            Bytes = (tag & 7) switch
            {
                0 => SkipVarint(),
                1 => Take(sizeof(ulong)),
                2 => Take((int)Varint()),
                5 => Take(sizeof(uint)),
                _ => throw new InvalidDataException("no protobuf"),
            };
            return true;
        }

        private ReadOnlySpan<byte> SkipVarint()
        {
            Varint();
            return default;
        }

        private ReadOnlySpan<byte> Take(int length)
        {
            var taken = rest[..length];
            rest = rest[length..];
            return taken;
        }

        private ulong Varint()
        {
            ulong value = 0;
            for (var shift = 0; ; shift += 7)
            {
                var next = rest[0];
                rest = rest[1..];
                value |= (ulong)(next & 0x7F) << shift;
                if (next < 0x80)
                    return value;
            }
        }
    }
}
