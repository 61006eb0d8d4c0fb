using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Configuration;
using PiiMasking.MaskingService.Keys;
using PiiMasking.MaskingService.Keys.Commands;
using PiiMasking.MaskingService.Rotation;
using PiiMasking.Testing;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Tests.Keys;

public sealed class KeysetCommandLine : IDisposable
{
    private readonly ScratchFolder scratch = new();

    public void Dispose() => scratch.Dispose();

    [Theory]
    [InlineData("masking", KeyKind.DeterministicAead)]
    [InlineData("quarantine", KeyKind.Aead)]
    [InlineData("integrity", KeyKind.Mac)]
    public async Task New_prints_a_keyset_and_nothing_else(string name, KeyKind kind)
    {
        var made = await RunAsync("", "new", "--kind", name);

        Assert.Equal(0, made.ExitCode);
        Assert.EndsWith("}\n", made.Output, StringComparison.Ordinal);
        using var keyset = Parse(made.Output);
        Assert.Equal(kind, keyset.Kind);
        Assert.Equal($"Made key {keyset.PrimaryKeyId}.\n", made.Notes);
    }

    [Fact]
    public async Task New_rotate_and_list_work_as_a_pipeline()
    {
        var made = await RunAsync("", "new", "--kind", "masking");
        var rotated = await RunAsync(made.Output, "rotate");
        var listed = await RunAsync(rotated.Output, "list");

        using var keyset = Parse(rotated.Output);
        Assert.Equal(2, keyset.Keys.Count);
        var lines = listed.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal($"masking keyset, primary key {keyset.PrimaryKeyId}", lines[0]);
        Assert.Matches($@"^{keyset.Keys[0].Id}\s+\S{{6}}\s+enabled$", lines[2]);
        Assert.Matches($@"^{keyset.PrimaryKeyId}\s+\S{{6}}\s+enabled, primary$", lines[3]);
        AssertNoKeyBytes(rotated.Output, listed.Output + listed.Notes + rotated.Notes);
    }

    [Fact]
    public async Task The_start_that_list_shows_is_that_of_every_token_of_the_key()
    {
        var made = (await RunAsync("", "new", "--kind", "masking")).Output;
        using var keyset = Parse(made);
        using var aead = new DeterministicAead(keyset);

        var listed = (await RunAsync(made, "list")).Output;

        Assert.Contains(aead.ForField("ip").EncryptToBase64(keyset.PrimaryKeyId, "192.0.2.1"u8)[..6], listed, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tokens_open_after_rotation_until_their_key_is_out_of_use()
    {
        var first = (await RunAsync("", "new", "--kind", "masking")).Output;
        using var keyset = Parse(first);
        using var aead = new DeterministicAead(keyset);
        var token = aead.ForField("ip").EncryptToBase64(keyset.PrimaryKeyId, "192.0.2.1      "u8);
        var oldId = $"{keyset.PrimaryKeyId}";

        var rotated = (await RunAsync(first, "rotate")).Output;
        Assert.Equal("192.0.2.1\n", (await OpenAsync(rotated, token)).Output);
        var disabled = (await RunAsync(rotated, "disable", oldId)).Output;
        var closed = await OpenAsync(disabled, token);
        var enabled = (await RunAsync(disabled, "enable", oldId)).Output;
        Assert.Equal("192.0.2.1\n", (await OpenAsync(enabled, token)).Output);
        var destroyed = (await RunAsync(disabled, "destroy", "--lose-what-needs-it", oldId)).Output;
        var gone = await OpenAsync(destroyed, token);
        var altered = await OpenAsync(rotated, token[..^1] + (token[^1] == 'A' ? 'B' : 'A'));

        // Out of use, gone for good, or altered: nothing tells which.
        Assert.Equal((1, "\n", "Line 1 does not open.\nkeyset open: 1 of 1 tokens did not open.\n"), gone);
        Assert.Equal(gone, closed);
        Assert.Equal(gone, altered);
    }

    [Fact]
    public async Task A_key_is_not_destroyed_before_it_is_known_that_nothing_needs_it()
    {
        var rotated = (await RunAsync((await RunAsync("", "new", "--kind", "masking")).Output, "rotate")).Output;
        using var keyset = Parse(rotated);
        var oldId = $"{keyset.Keys[0].Id}";

        await RefusedAsync("--backups-older-than", rotated, "destroy", oldId);
        await RefusedAsync("no connection string", rotated, "destroy", oldId, "--backups-older-than", "2026-11-01");
    }

    [Fact]
    public async Task Standby_adds_a_key_that_promote_makes_primary()
    {
        var first = (await RunAsync("", "new", "--kind", "quarantine")).Output;
        var standby = (await RunAsync(first, "rotate", "--standby")).Output;
        using var keyset = Parse(standby);
        Assert.Equal(keyset.Keys[0].Id, keyset.PrimaryKeyId);

        using var promoted = Parse((await RunAsync(standby, "promote", $"{keyset.Keys[1].Id}")).Output);

        Assert.Equal(keyset.Keys[1].Id, promoted.PrimaryKeyId);
    }

    [Fact]
    public async Task Open_keeps_the_lines_in_step()
    {
        var text = (await RunAsync("", "new", "--kind", "masking")).Output;
        using var keyset = Parse(text);
        using var aead = new DeterministicAead(keyset);
        string Token(string field, string value) => aead.ForField(field).EncryptToBase64(keyset.PrimaryKeyId, Encoding.UTF8.GetBytes(value));

        var opened = await OpenAsync(text, $"{Token("ip", "2001:db8::1".PadRight(39))}\r\n{Token("device_id", "x")}\n\n {Token("ip", "192.0.2.1      ")}");
        Assert.Equal((1, "2001:db8::1\n\n\n192.0.2.1\n"), (opened.ExitCode, opened.Output));
        Assert.Equal("Line 2 does not open.\nLine 3 does not open.\nkeyset open: 2 of 4 tokens did not open.\n", opened.Notes);

        var device = await OpenAsync(text, Token("device_id", "Gerät 7"), "device_id");
        Assert.Equal((0, "Gerät 7\n", ""), device);
    }

    [Fact]
    public async Task Open_refuses_a_terminal_without_yes()
    {
        var text = (await RunAsync("", "new", "--kind", "masking")).Output;
        await File.WriteAllTextAsync(scratch["k.json"], text);

        var refused = await RunAsync("", inputIsTerminal: false, outputIsTerminal: true, "open", "--in", scratch["k.json"], "--field", "ip");
        var shown = await RunAsync("", inputIsTerminal: false, outputIsTerminal: true, "open", "--in", scratch["k.json"], "--field", "ip", "--yes");

        Assert.Equal((1, ""), (refused.ExitCode, refused.Output));
        Assert.Contains("--yes", refused.Notes, StringComparison.Ordinal);
        Assert.Equal(0, shown.ExitCode);
    }

    [Fact]
    public async Task Wrap_needs_the_public_half_only_and_takes_it_in_every_form()
    {
        using var key = RSA.Create(2048);
        const string keyId = "https://contoso.vault.azure.net/keys/masking-kek/0123456789abcdef0123456789abcdef";
        var parameters = key.ExportParameters(includePrivateParameters: false);
        var jwk = new JsonObject
        {
            ["kid"] = keyId,
            ["kty"] = "RSA",
            ["n"] = System.Buffers.Text.Base64Url.EncodeToString(parameters.Modulus),
            ["e"] = System.Buffers.Text.Base64Url.EncodeToString(parameters.Exponent),
        };
        await File.WriteAllTextAsync(scratch["kek.pem"], key.ExportSubjectPublicKeyInfoPem());
        await File.WriteAllTextAsync(scratch["jwk.json"], jwk.ToJsonString());
        await File.WriteAllTextAsync(scratch["az.json"], new JsonObject { ["attributes"] = new JsonObject(), ["key"] = jwk.DeepClone() }.ToJsonString());
        var keyset = (await RunAsync("", "new", "--kind", "masking")).Output;

        foreach (var arguments in new string[][] { [scratch["kek.pem"], "--kid", keyId], [scratch["jwk.json"]], [scratch["az.json"]] })
        {
            var wrapped = await RunAsync(keyset, ["wrap", "--public-key", .. arguments]);

            Assert.Equal((0, $"Wrapped for {keyId}.\n"), (wrapped.ExitCode, wrapped.Notes));
            var jwe = Jwe.Parse(Encoding.ASCII.GetBytes(wrapped.Output.TrimEnd('\n')));
            Assert.Equal(keyId, jwe.KeyId);
            using var content = jwe.Open(key.Decrypt(jwe.EncryptedKey.Span, RSAEncryptionPadding.OaepSHA256));
            Assert.Equal(keyset, Encoding.UTF8.GetString(content.Span));
        }
    }

    [Fact]
    public async Task A_wrapped_keyset_is_unwrapped_rotated_and_wrapped_again()
    {
        using var key = RSA.Create(2048);
        await File.WriteAllTextAsync(scratch["kek.pem"], key.ExportPkcs8PrivateKeyPem());
        var keyset = (await RunAsync("", "new", "--kind", "masking")).Output;
        var wrapped = (await RunAsync(keyset, "wrap", "--public-key", scratch["kek.pem"], "--kid", "local")).Output;

        var unwrapped = await RunAsync(wrapped, "unwrap", "--kek", scratch["kek.pem"]);
        Assert.Equal((0, keyset, ""), unwrapped);
        var again = (await RunAsync((await RunAsync(unwrapped.Output, "rotate")).Output, "wrap", "--public-key", scratch["kek.pem"], "--kid", "local")).Output;
        using var rotated = Parse((await RunAsync(again, "unwrap", "--kek", scratch["kek.pem"])).Output);
        Assert.Equal(2, rotated.Keys.Count);

        await RefusedAsync("--vault", wrapped, "unwrap");
        await RefusedAsync("no file", wrapped, "unwrap", "--kek", scratch["none.pem"]);
        await RefusedAsync("--vault", wrapped, "unwrap", "--vault", "http://contoso.vault.azure.net", "--key-name", "masking-kek");
        using var other = RSA.Create(2048);
        await File.WriteAllTextAsync(scratch["other.pem"], other.ExportPkcs8PrivateKeyPem());
        await File.WriteAllTextAsync(scratch["text.pem"], "not a key");
        await RefusedAsync("RSA private key", wrapped, "unwrap", "--kek", scratch["text.pem"]);
        await File.WriteAllTextAsync(scratch["public.pem"], key.ExportSubjectPublicKeyInfoPem());
        await RefusedAsync("RSA private key", wrapped, "unwrap", "--kek", scratch["public.pem"]);
        await RefusedAsync("does not open", wrapped, "unwrap", "--kek", scratch["other.pem"]);
        await RefusedAsync("five parts", keyset, "unwrap", "--kek", scratch["kek.pem"]);
        await RefusedAsync(
            "another key than a version of https://contoso.vault.azure.net/keys/masking-kek/",
            JweVectors.Test("valid-2048").Text("jwe"), "unwrap", "--vault", "https://contoso.vault.azure.net", "--key-name", "masking-kek");
    }

    [Fact]
    public async Task Wrap_refuses_what_would_be_found_out_too_late()
    {
        using var small = RSA.Create(1024);
        using var key = RSA.Create(2048);
        await File.WriteAllTextAsync(scratch["small.pem"], small.ExportSubjectPublicKeyInfoPem());
        await File.WriteAllTextAsync(scratch["kek.pem"], key.ExportSubjectPublicKeyInfoPem());
        await File.WriteAllTextAsync(scratch["text.pem"], "not a key");
        var keyset = (await RunAsync("", "new", "--kind", "masking")).Output;

        await RefusedAsync("1024 bits", keyset, "wrap", "--public-key", scratch["small.pem"], "--kid", "local");
        await RefusedAsync("--kid", keyset, "wrap", "--public-key", scratch["kek.pem"]);
        await RefusedAsync("URL with version", keyset, "wrap", "--public-key", scratch["kek.pem"], "--kid", "https://contoso.vault.azure.net/keys/masking-kek");
        await RefusedAsync("no RSA public key", keyset, "wrap", "--public-key", scratch["text.pem"], "--kid", "local");
        await RefusedAsync("none.pem", keyset, "wrap", "--public-key", scratch["none.pem"], "--kid", "local");
        await RefusedAsync("not JSON", "not a keyset", "wrap", "--public-key", scratch["kek.pem"], "--kid", "local");
    }

    [Fact]
    public async Task A_file_is_private_and_is_never_written_over_by_another_keyset()
    {
        var file = scratch["masking.json"];
        Assert.Equal(0, (await RunAsync("", "new", "--kind", "masking", "--out", file)).ExitCode);
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        var before = await File.ReadAllTextAsync(file);

        await RefusedAsync("left alone", "", "new", "--kind", "masking", "--out", file);
        await RefusedAsync("left alone", before, "rotate", "--out", file);
        Assert.Equal(before, await File.ReadAllTextAsync(file));

        Assert.Equal(0, (await RunAsync("", "rotate", "--in", file, "--out", file)).ExitCode);
        using var rotated = Parse(await File.ReadAllTextAsync(file));
        Assert.Equal(2, rotated.Keys.Count);
        Assert.Equal([file], Directory.GetFiles(scratch.Path));
    }

    [Fact]
    public async Task What_cannot_be_done_is_said_in_one_line_and_prints_no_keyset()
    {
        var keyset = (await RunAsync("", "new", "--kind", "masking")).Output;
        using var parsed = Parse(keyset);

        await RefusedAsync("make another one primary", keyset, "disable", $"{parsed.PrimaryKeyId}");
        await RefusedAsync("make another one primary", keyset, "destroy", $"{parsed.PrimaryKeyId}");
        await RefusedAsync("no key 7", keyset, "promote", "7");
        await RefusedAsync("is empty", "", "list");
        await RefusedAsync("not JSON", "garbage", "rotate");
        await RefusedAsync("wrapped", JweVectors.Test("valid-2048").Text("jwe"), "rotate");
        await RefusedAsync("none.json", "", "list", "--in", scratch["none.json"]);

        var typed = await RunAsync("", inputIsTerminal: true, outputIsTerminal: false, "rotate");
        Assert.Equal((1, "keyset rotate: Give the keyset with --in FILE, or on standard input.\n"), (typed.ExitCode, typed.Notes));
    }

    [Theory]
    [InlineData("new")]
    [InlineData("new", "--kind", "other")]
    [InlineData("disable")]
    [InlineData("disable", "0x12")]
    [InlineData("disable", "-1")]
    [InlineData("disable", "4294967296")]
    [InlineData("open", "--field", "ip")]
    [InlineData("open", "--in", "k.json", "--field", "user_id")]
    [InlineData("frobnicate")]
    public void Wrong_arguments_are_refused_by_the_parser(params string[] arguments) =>
        Assert.NotEmpty(KeysetCommands.Create().Parse(arguments).Errors);

    private static Keyset Parse(string text) => Keyset.Parse(Encoding.UTF8.GetBytes(text));

    private static void AssertNoKeyBytes(string keyset, string printed)
    {
        foreach (var key in JsonNode.Parse(keyset)!["key"]!.AsArray())
            Assert.DoesNotContain(key!["keyData"]!["value"]!.GetValue<string>()[4..20], printed, StringComparison.Ordinal);
    }

    private static Task<(int ExitCode, string Output, string Notes)> RunAsync(string input, params string[] arguments) =>
        RunAsync(input, inputIsTerminal: false, outputIsTerminal: false, arguments);

    private static async Task<(int ExitCode, string Output, string Notes)> RunAsync(
        string input, bool inputIsTerminal, bool outputIsTerminal, params string[] arguments)
    {
        using var output = new MemoryStream();
        using var notes = new StringWriter { NewLine = "\n" };
        var terminal = new Terminal(new MemoryStream(Encoding.UTF8.GetBytes(input)), output, notes, inputIsTerminal, outputIsTerminal);
        var parsed = KeysetCommands.Create(terminal, KeyProofCommands.Create(terminal, new ConfigurationBuilder().Build())).Parse(arguments);
        Assert.Empty(parsed.Errors);
        var exitCode = await parsed.InvokeAsync(cancellationToken: TestContext.Current.CancellationToken);
        return (exitCode, Encoding.UTF8.GetString(output.ToArray()), notes.ToString());
    }

    private static async Task RefusedAsync(string reason, string input, params string[] arguments)
    {
        var (exitCode, output, notes) = await RunAsync(input, arguments);
        Assert.Equal((1, ""), (exitCode, output));
        Assert.StartsWith($"keyset {arguments[0]}: ", notes, StringComparison.Ordinal);
        Assert.Contains(reason, notes, StringComparison.Ordinal);
        Assert.Equal(1, notes.Count(character => character == '\n'));
        AssertNoStackTrace(notes);
    }

    private static void AssertNoStackTrace(string notes) => Assert.DoesNotContain("   at ", notes, StringComparison.Ordinal);

    private async Task<(int ExitCode, string Output, string Notes)> OpenAsync(string keyset, string tokens, string field = "ip")
    {
        await File.WriteAllTextAsync(scratch["keyset.json"], keyset);
        return await RunAsync(tokens, "open", "--in", scratch["keyset.json"], "--field", field);
    }
}
