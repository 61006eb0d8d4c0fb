using System.Text;
using System.Text.Json;

namespace PiiMasking.Logins;

/// <summary>A CloudEvent or an SNS notification around a message.</summary>
/// <remarks>
/// <para>An object is a CloudEvent if <c>specversion</c>, <c>id</c>, <c>source</c> and <c>type</c>, the four that the specification asks
/// for, are all non-empty strings; an SNS notification if <c>Type</c> is "Notification" and <c>MessageId</c>, <c>TopicArn</c> and
/// <c>Message</c> are strings. Nothing less makes an envelope.</para>
/// <para>Values are kept as ranges of the body and decoded when they are asked for.</para>
/// </remarks>
internal readonly struct Envelope
{
    // What is inside an envelope has its own bound; here only the end of each member has to be found.
    private static readonly JsonReaderOptions AnyDepth = new() { MaxDepth = int.MaxValue };

    // Longer values are decoded into a pooled array.
    private const int StackCharacters = 128;

    // Bytes of a login's CloudEvent.
    private const int UsualElement = 500;

    private readonly ReadOnlyMemory<byte> body;
    private readonly Members members;

    private Envelope(ReadOnlyMemory<byte> body, Members members)
    {
        this.body = body;
        this.members = members;
    }

    /// <summary>Looks for an envelope in bytes that are no login.</summary>
    /// <returns>False if there is none, or the bytes are no JSON.</returns>
    public static bool TryRead(ReadOnlyMemory<byte> body, out Envelope envelope)
    {
        var found = TryScan(body, out envelope);
        return found && (envelope.IsCloudEvent || envelope.IsNotification);
    }

    /// <summary>Reads an element of a batch, which a component made: a CloudEvent as soon as it has an id.</summary>
    public static bool TryReadElement(ReadOnlyMemory<byte> body, out Envelope envelope) =>
        TryScan(body, out envelope) && envelope.members.Id.IsFilledText;

    /// <summary>Splits a JSON array into the bytes of its elements.</summary>
    /// <returns>False if the bytes are no JSON array, or one of more than <paramref name="most"/> elements.</returns>
    public static bool TrySplit(Memory<byte> array, int most, out List<Memory<byte>> elements)
    {
        elements = new(Math.Min(most, array.Length / UsualElement));
        try
        {
            var reader = new Utf8JsonReader(array.Span, AnyDepth);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartArray)
                return false;
            while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            {
                if (elements.Count == most)
                    return false;
                var element = Value.Under(ref reader);
                elements.Add(array.Slice(element.Start, element.Length));
            }

            reader.Read();   // throws if anything follows
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    /// <summary>Who the message is, by this envelope.</summary>
    public MessageIdentity? Identity
    {
        get
        {
            var (source, id, time) = IsNotification
                ? (members.TopicArn, members.MessageId, members.Timestamp)
                : (members.Source, members.Id, members.Time);
            using var idText = id.Text(body, stackalloc char[StackCharacters]);
            // A character that no column takes is a part of the id all the same; only what cannot be decoded is no text.
            if (idText.Characters.IsEmpty)
                return null;
            using var sourceText = source.Text(body, stackalloc char[StackCharacters]);
            using var timeText = time.Text(body, stackalloc char[StackCharacters]);
            return new MessageIdentity(
                MessageIdentity.IdOf(sourceText.Characters, idText.Characters), MessageIdentity.ParseTime(timeText.Characters));
        }
    }

    /// <summary>CloudEvents' extension of that name; null if it is not there.</summary>
    public string? TraceParent => members.TraceParent.TryGetString(body, out var text) ? text : null;

    /// <summary>Takes out what is inside.</summary>
    /// <param name="content">Bytes of the message inside; for <c>data</c> that is JSON, the text of that JSON.</param>
    /// <param name="reason">Why there are none, when the method returns false.</param>
    /// <param name="own">The envelope's own memory, if base64 in it may be overwritten by what it says; it is left whole when the method returns false.</param>
    public bool TryOpen(out ReadOnlyMemory<byte> content, out RejectReason reason, Memory<byte> own = default)
    {
        content = default;
        reason = members.HasDuplicate ? RejectReason.DuplicateMember : RejectReason.EnvelopeMalformed;
        if (members.HasDuplicate)
            return false;
        if (IsNotification)
            return members.Message.TryGetBytes(body, out content);

        if (!members.Data.IsPresent && !members.DataBase64.IsPresent)
        {
            reason = RejectReason.EnvelopeWithoutData;
            return false;
        }

        if (members.Data.IsPresent && members.DataBase64.IsPresent)
            return false;
        if (members.DataBase64.IsPresent)
            return members.DataBase64.TryGetBase64(body, own, out content);
        if (members.Data.IsText)
            return members.Data.TryGetBytes(body, out content);
        content = members.Data.In(body);
        return true;
    }

    private bool IsCloudEvent =>
        members.SpecVersion.IsFilledText && members.Id.IsFilledText && members.Source.IsFilledText && members.Type.IsFilledText;

    private bool IsNotification =>
        !IsCloudEvent && members.MessageId.IsFilledText && members.TopicArn.IsFilledText && members.Message.IsText
        && members.SnsType.TryGetString(body, out var type) && type == "Notification";

    private static bool TryScan(ReadOnlyMemory<byte> body, out Envelope envelope)
    {
        envelope = default;
        var members = new Members();
        try
        {
            var reader = new Utf8JsonReader(body.Span, AnyDepth);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                return false;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var unread = default(Value);
                ref var member = ref members.Named(in reader, ref unread, out var isRead);
                reader.Read();
                members.HasDuplicate |= isRead && member.Length > 0;
                // The first of two values counts for the identity, so that it is one in every delivery.
                var value = Value.Under(ref reader);
                if (member.Length == 0)
                    member = value;
            }

            reader.Read();   // throws if anything follows
        }
        catch (JsonException)
        {
            return false;
        }

        envelope = new Envelope(body, members);
        return true;
    }

    /// <summary>The members that matter, of either kind of envelope.</summary>
    private struct Members
    {
        public Value SpecVersion, Id, Source, Type, Time, Data, DataBase64, TraceParent;
        public Value SnsType, MessageId, TopicArn, Timestamp, Message;
        public bool HasDuplicate;

        [System.Diagnostics.CodeAnalysis.UnscopedRef]
        public ref Value Named(scoped in Utf8JsonReader reader, ref Value unread, out bool isRead)
        {
            isRead = true;
            if (JsonText.NameIs(in reader, "specversion"u8)) return ref SpecVersion;
            if (JsonText.NameIs(in reader, "id"u8)) return ref Id;
            if (JsonText.NameIs(in reader, "source"u8)) return ref Source;
            if (JsonText.NameIs(in reader, "type"u8)) return ref Type;
            if (JsonText.NameIs(in reader, "time"u8)) return ref Time;
            if (JsonText.NameIs(in reader, "data"u8)) return ref Data;
            if (JsonText.NameIs(in reader, "data_base64"u8)) return ref DataBase64;
            if (JsonText.NameIs(in reader, "traceparent"u8)) return ref TraceParent;
            if (JsonText.NameIs(in reader, "Type"u8)) return ref SnsType;
            if (JsonText.NameIs(in reader, "MessageId"u8)) return ref MessageId;
            if (JsonText.NameIs(in reader, "TopicArn"u8)) return ref TopicArn;
            if (JsonText.NameIs(in reader, "Timestamp"u8)) return ref Timestamp;
            if (JsonText.NameIs(in reader, "Message"u8)) return ref Message;
            isRead = false;
            return ref unread;
        }
    }

    /// <summary>A JSON value as a range of the body.</summary>
    private readonly record struct Value(JsonTokenType Kind, int Start, int Length)
    {
        public bool IsPresent => Length > 0 && Kind != JsonTokenType.Null;
        public bool IsText => Kind == JsonTokenType.String;
        public bool IsFilledText => IsText && Length > "\"\"".Length;

        /// <summary>The value under the reader, which is then at its end.</summary>
        public static Value Under(ref Utf8JsonReader reader)
        {
            var kind = reader.TokenType;
            var start = (int)reader.TokenStartIndex;
            reader.Skip();
            return new Value(kind, start, (int)reader.BytesConsumed - start);
        }

        public ReadOnlyMemory<byte> In(ReadOnlyMemory<byte> whole) => whole.Slice(Start, Length);

        /// <summary>The characters; none where this is no string.</summary>
        public JsonText Text(ReadOnlyMemory<byte> whole, Span<char> buffer)
        {
            var reader = IsPresent ? ReaderOf(whole) : default;
            return new JsonText(in reader, buffer);
        }

        public bool TryGetString(ReadOnlyMemory<byte> whole, out string text)
        {
            text = "";
            if (!IsText)
                return false;
            var reader = ReaderOf(whole);
            try
            {
                text = reader.GetString()!;
                return true;
            }
            catch (InvalidOperationException)
            {
                return false;   // an unpaired surrogate or invalid UTF-8
            }
        }

        public bool TryGetBytes(ReadOnlyMemory<byte> whole, out ReadOnlyMemory<byte> bytes)
        {
            var found = TryGetString(whole, out var text);
            bytes = found ? Encoding.UTF8.GetBytes(text) : default;
            return found;
        }

        public bool TryGetBase64(ReadOnlyMemory<byte> whole, Memory<byte> own, out ReadOnlyMemory<byte> bytes)
        {
            bytes = default;
            if (!IsText)
                return false;
            if (!own.IsEmpty && Base64InPlace.TryDecode(own.Slice(Start + 1, Length - 2), out var inPlace))
            {
                bytes = inPlace;
                return true;
            }

            try
            {
                var found = ReaderOf(whole).TryGetBytesFromBase64(out var decoded);
                bytes = decoded;
                return found;
            }
            catch (InvalidOperationException)
            {
                return false;   // an unpaired surrogate, written as an escape
            }
        }

        private Utf8JsonReader ReaderOf(ReadOnlyMemory<byte> whole)
        {
            var reader = new Utf8JsonReader(In(whole).Span);
            reader.Read();
            return reader;
        }
    }
}
