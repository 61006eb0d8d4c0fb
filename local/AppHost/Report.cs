using System.Globalization;
using System.Text;
using PiiMasking.Backing;
using PiiMasking.Tink;

namespace PiiMasking.AppHost;

/// <summary>Shows what has become of the messages, and that the tokens can be opened.</summary>
/// <param name="system">Where to look.</param>
/// <param name="state">Where its keysets and logs are.</param>
/// <param name="staysUp">False if the database is about to be stopped.</param>
/// <param name="screen">Where to show it.</param>
internal sealed class Report(LocalSystem system, State state, bool staysUp, Screen screen)
{
    private const int Rows = 5;
    private const int Groups = 3;

    public async Task ShowAsync(DeliveryResult result, CancellationToken stopping)
    {
        var database = system.Database;
        var rows = await database.SomeRowsAsync(Rows, stopping);
        if (rows.Count > 0)
        {
            screen.Table(
                "Some rows of user_logins",
                ["user_id", "device_type", "masked_ip", "masked_device_id", "locale", "app_version", "create_date"],
                rows.Select(row => (IReadOnlyList<string>)
                [
                    Shorten(row.UserId), row.DeviceType ?? "NULL", Shorten(row.MaskedIp), Shorten(row.MaskedDeviceId), row.Locale ?? "NULL",
                    row.AppVersion?.ToString(CultureInfo.InvariantCulture) ?? "NULL", row.CreateDate.ToString("O", CultureInfo.InvariantCulture),
                ]));
        }

        DuplicateGroup[] groups =
        [
            .. await database.LargestDuplicatesAsync("ip", Groups, stopping),
            .. await database.LargestDuplicatesAsync("device_id", Groups, stopping),
        ];
        if (groups.Length > 0)
        {
            screen.Table(
                "The largest duplicate groups in the table (equal values have equal tokens)",
                ["field", "token", "logins", "users"],
                groups.Select(group => (IReadOnlyList<string>)[group.Field, Shorten(group.Token), Number(group.Logins), Number(group.Users)]));
        }

        if (groups.Length > 0 || rows.Count > 0)
        {
            var (field, token) = groups.Length > 0 ? (groups[0].Field, groups[0].Token) : ("ip", rows[0].MaskedIp);
            screen.Headline($"One {field} opened with the keyset in {state.Secrets}");
            screen.Note($"{token}  →  {Open(field, token, inFull: result.Sent.IsKnown)}");
        }

        screen.Headline(result.IsComplete ? "All messages are through" : "Not all messages are through");
        Summarise(result);
        if (staysUp)
            screen.Note($"The masked rows: psql {database.AnalystUrl(system.Secrets)}");
        else
            screen.Note("To look at the rows with psql, run it without --once.");
        screen.Note($"The logs: {state.Logs}");
    }

    private void Summarise(DeliveryResult result)
    {
        var (sent, fate) = (result.Sent, result.Fate);
        screen.Note(
            $"Of {sent.Messages} messages {fate.Stored} are stored and {fate.Quarantined} in quarantine, after {result.Took.TotalSeconds:0.0} s. "
            + $"In the queue: {result.Queue.Waiting + result.Queue.InWork}, in its dead-letter queue: {result.Queue.Dead}.");
        var found = $"Among them {fate.RepeatedAddresses} addresses and {fate.RepeatedDevices} devices occur more than once";
        screen.Note(!sent.IsKnown ? found + "."
            : result.FoundTheDuplicates ? found + ": exactly those that the samples repeat."
            : $"{found}, but the samples repeat {sent.RepeatedAddresses} and {sent.RepeatedDevices}.");
    }

    /// <returns>The value; of messages that we did not make up, only its beginning.</returns>
    private string Open(string field, string token, bool inFull)
    {
        using var keyset = Keyset.Parse(Encoding.UTF8.GetBytes(system.Secrets[Secrets.MaskingKeyset]));
        using var primitive = new DeterministicAead(keyset);
        var plaintext = new byte[token.Length];
        if (!primitive.ForField(field).TryDecryptBase64(token, plaintext, out var length))
            throw new BackingException($"A token of {field} does not open with the keyset in {state.Secrets}: put the right one back.");

        // Addresses are padded, so that a token's length tells nothing but their family.
        var value = Encoding.UTF8.GetString(plaintext.AsSpan(0, length)).TrimEnd(' ');
        return inFull ? value : $"{value[..(value.Length / 3)]}… ({value.Length} characters, shown in part)";
    }

    private static string Shorten(string token) => token.Length <= 19 ? token : $"{token[..12]}…{token[^6..]}";

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);
}
