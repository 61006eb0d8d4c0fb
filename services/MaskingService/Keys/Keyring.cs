using System.Security.Cryptography;
using Microsoft.Extensions.Options;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Keys;

/// <summary>The keysets that the service works with. They change as a whole, from one moment to the next.</summary>
/// <remarks>
/// A keyset that cannot be read, or that lacks the key that the data is under, never replaces a good one. Readers keep using the
/// state that they took: a replaced state is wiped only after <see cref="Grace"/>.
/// </remarks>
internal sealed class Keyring(
    KeysetSource source, IOptions<KeyOptions> options, KeyMetrics metrics, TimeProvider time, ILogger<Keyring> log) : IDisposable
{
    /// <summary>Far longer than any request holds on to a state.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromMinutes(1);

    /// <summary>Unknown key ids may be made up; they make the service read its secrets this often at most.</summary>
    public static readonly TimeSpan UnknownKeyInterval = TimeSpan.FromSeconds(10);

    private readonly SemaphoreSlim loading = new(1);
    private readonly Queue<(KeysetState State, long At)> replaced = [];
    private readonly TaskCompletionSource<KeysetState> firstLoad = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile IReadOnlyCollection<uint> requiredMaskingKeyIds = [];
    private long lastLoadAt;
    private volatile KeysetState? current;
    private volatile string? problem = "The keysets have not been read yet.";

    /// <summary>The opened keysets; null until they were read for the first time.</summary>
    public KeysetState? Current => current;

    /// <summary>What is wrong, as a sentence for operators without any secret; null when the last reading went well. With a
    /// <see cref="Current"/> state, the service works on with that.</summary>
    public string? Problem => problem;

    /// <summary>The keys that the stored data is under: one, or two while it goes from one to the other. A keyset in which one of them is
    /// not enabled is refused.</summary>
    public IReadOnlyCollection<uint> RequiredMaskingKeyIds
    {
        get => requiredMaskingKeyIds;
        set => requiredMaskingKeyIds = value;
    }

    /// <summary>Waits for the keysets to be read for the first time.</summary>
    public Task<KeysetState> WhenLoadedAsync(CancellationToken stopping) => firstLoad.Task.WaitAsync(stopping);

    /// <summary>Reads the secrets now. Failing to is not an exception but a <see cref="Problem"/>.</summary>
    public async Task ReloadAsync(CancellationToken stopping)
    {
        await loading.WaitAsync(stopping);
        try
        {
            await LoadAsync(stopping);
        }
        finally
        {
            loading.Release();
        }
    }

    /// <summary>Reads the secrets because something names a masking key that is not there; at most every ten seconds.</summary>
    /// <returns>The current state, if it has the key now; else null.</returns>
    public async Task<KeysetState?> ReloadForAsync(uint maskingKeyId, CancellationToken stopping)
    {
        await loading.WaitAsync(stopping);
        try
        {
            // Whoever waited here may find that the one before has read it already.
            if (current is { } before && !before.CanMaskUnder(maskingKeyId) && time.GetElapsedTime(lastLoadAt) >= UnknownKeyInterval)
                await LoadAsync(stopping);
        }
        finally
        {
            loading.Release();
        }
        return current is { } now && now.CanMaskUnder(maskingKeyId) ? now : null;
    }

    public void Dispose()
    {
        current?.Dispose();
        while (replaced.TryDequeue(out var old))
            old.State.Dispose();
        loading.Dispose();
    }

    private async Task LoadAsync(CancellationToken stopping)
    {
        WipeReplaced();
        lastLoadAt = time.GetTimestamp();
        try
        {
            var masking = await source.ReadAsync(options.Value.Masking, KeyKind.DeterministicAead, stopping);
            var quarantine = await source.ReadAsync(options.Value.Quarantine, KeyKind.Aead, stopping);
            Accept(new KeysetState(masking, quarantine));
        }
        catch (KeySourceException e)
        {
            metrics.Loaded(KeyMetrics.Refused);
            // Once per problem, not once per try.
            if (problem != e.Message)
                log.KeysetsRefused(e.Message, current is null ? "the service is not ready" : "the keysets read before stay in use");
            problem = e.Message;
        }
    }

    private void Accept(KeysetState state)
    {
        if (FindFault(state) is { } fault)
        {
            state.Dispose();
            throw new KeySourceException(fault);
        }

        if (current is { } before && AreSame(before.Masking, state.Masking) && AreSame(before.QuarantineKeyset, state.QuarantineKeyset))
        {
            state.Dispose();
            metrics.Loaded(KeyMetrics.Unchanged);
        }
        else
        {
            if (current is { } old)
                replaced.Enqueue((old, time.GetTimestamp()));
            current = state;
            metrics.Loaded(KeyMetrics.Changed);
            metrics.PrimaryKeys(state.Masking.PrimaryKeyId, state.QuarantineKeyset.PrimaryKeyId);
            log.KeysetsLoaded(
                state.Masking.PrimaryKeyId,
                state.Masking.Keys.Count,
                state.QuarantineKeyset.PrimaryKeyId,
                state.QuarantineKeyset.Keys.Count);
            firstLoad.TrySetResult(state);
        }

        problem = null;
    }

    /// <summary>What the database could not say by itself: it knows the keysets only by what was made with them before.</summary>
    private string? FindFault(KeysetState state)
    {
        var (masking, quarantine) = (options.Value.Masking.Secret, options.Value.Quarantine.Secret);
        foreach (var required in RequiredMaskingKeyIds)
        {
            if (!state.CanMaskUnder(required))
                return $"Secret '{masking}': the stored tokens are under key {required}, and this keyset does not have it enabled. "
                    + "Restore that key, or enable it.";
        }

        if (current is not { } before)
            return null;
        foreach (var key in before.Masking.Keys.Where(key => before.CanMaskUnder(key.Id) && state.CanMaskUnder(key.Id)))
        {
            if (before.Canary.EncryptToBase64(key.Id, []) != state.Canary.EncryptToBase64(key.Id, []))
                return $"Secret '{masking}': key {key.Id} is another key than it was. Restore the keyset that it was in.";
        }

        var primary = before.QuarantineKeyset.PrimaryKeyId;
        var sealedBefore = before.Quarantine.Encrypt([], []);
        return state.QuarantineKeyset.Keys.Any(key => key.Id == primary && key.Status == KeyStatus.Enabled)
            && !state.Quarantine.TryDecrypt(sealedBefore, [], out _)
            ? $"Secret '{quarantine}': key {primary} is another key than it was. Restore the keyset that it was in."
            : null;
    }

    private void WipeReplaced()
    {
        while (replaced.TryPeek(out var old) && time.GetElapsedTime(old.At) >= Grace)
            replaced.Dequeue().State.Dispose();
    }

    private static bool AreSame(Keyset one, Keyset other)
    {
        var (oneText, otherText) = (one.ToJson(), other.ToJson());
        var same = CryptographicOperations.FixedTimeEquals(oneText, otherText);
        CryptographicOperations.ZeroMemory(oneText);
        CryptographicOperations.ZeroMemory(otherText);
        return same;
    }
}
