namespace PiiMasking.MaskingService.Masking;

/// <summary>The database does not say under which key the table is: it was not claimed yet. Passes once the service has checked its keysets.</summary>
internal sealed class GenerationMissingException() : Exception("key_generation is empty: no keyset has claimed this database yet.");
