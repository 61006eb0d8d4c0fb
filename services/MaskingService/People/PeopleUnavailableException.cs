namespace PiiMasking.MaskingService.People;

/// <summary>The people port cannot answer now. The message is a sentence for operators, with the remedy.</summary>
internal sealed class PeopleUnavailableException(string problem) : Exception(problem);
