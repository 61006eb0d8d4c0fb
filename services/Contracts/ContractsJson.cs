using System.Text.Json.Serialization;

namespace PiiMasking.Contracts;

/// <summary>How the contract's types look as JSON: camelCase, nulls left out.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    Converters = [typeof(LoginMessageConverter)])]
[JsonSerializable(typeof(LoginBatch))]
[JsonSerializable(typeof(LoginBatchResult))]
[JsonSerializable(typeof(Rejection))]
public sealed partial class ContractsJson : JsonSerializerContext;
