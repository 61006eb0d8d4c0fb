using Microsoft.Extensions.Options;

namespace PiiMasking.MaskingService.Erasure;

/// <summary>The file that keeps receipts, a line each.</summary>
internal sealed class ReceiptFile(IOptions<ErasureOptions> options)
{
    /// <summary>Appends a receipt; it is on the disk when this returns. A receipt may be there twice, which does no harm.</summary>
    /// <exception cref="IOException">It is not known to be there.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written.</exception>
    public async Task AppendAsync(ErasureReceipt receipt, CancellationToken stopping)
    {
        if (options.Value.ReceiptFile is not { Length: > 0 } path)
            return;
        var how = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.Read };
        if (!OperatingSystem.IsWindows())
            how.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        await using var file = new FileStream(path, how);
        // A line that was cut short by a crash must not swallow this one.
        var isBroken = file.Length > 0 && file.Seek(-1, SeekOrigin.End) >= 0 && file.ReadByte() != '\n';
        file.Seek(0, SeekOrigin.End);
        await file.WriteAsync(System.Text.Encoding.UTF8.GetBytes($"{(isBroken ? "\n" : "")}{receipt.ToLine()}\n"), stopping);
        file.Flush(flushToDisk: true);
    }
}
