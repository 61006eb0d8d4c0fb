using System.Buffers;
using System.Buffers.Text;
using CsCheck;

namespace PiiMasking.Logins.Tests;

/// <summary>The decoder writes over what it reads: what it does not take must be left whole, and nothing may be taken and come out wrong.</summary>
public sealed class Base64InPlaceTests
{
    [Fact]
    public void What_it_takes_is_what_the_frameworks_decoder_says_and_anything_else_is_left_alone() =>
        Gen.Char["AZaz09+/===  \t\r\n\\-_\""].Array[0, 24].Sample(
            characters =>
            {
                var text = Array.ConvertAll(characters, character => (byte)character);
                var expected = new byte[text.Length];
                var status = Base64.DecodeFromUtf8(text, expected, out _, out var length);
                var spare = text.ToArray();

                if (Base64InPlace.TryDecode(spare, out var decoded))
                    Assert.Equal((OperationStatus.Done, Convert.ToHexString(expected, 0, length)), (status, Convert.ToHexString(decoded.Span)));
                else
                    Assert.Equal(text, spare);
            },
            iter: 200_000);
}
