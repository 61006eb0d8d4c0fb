using Grpc.Core;
using PiiMasking.Sidecar.Api;
using PiiMasking.Sidecar.Components;
using PiiMasking.Sidecar.Resources;

namespace PiiMasking.Sidecar.Secrets;

/// <summary>Reads secrets for the HTTP and the gRPC API alike, within the scopes of the Configuration.</summary>
internal sealed class SecretReader(ComponentRegistry components, Configuration configuration)
{
    /// <exception cref="ApiException">No such store or secret, or none that this app may read.</exception>
    public IReadOnlyDictionary<string, string> Get(string storeName, string key)
    {
        var store = Find(storeName);
        if (!IsAllowed(storeName, key))
        {
            throw new ApiException(
                StatusCodes.Status403Forbidden, StatusCode.PermissionDenied, "ERR_PERMISSION_DENIED",
                $"access denied by policy to get \"{key}\" from \"{storeName}\"");
        }

        return store.Get(key) ?? throw new ApiException(
            StatusCodes.Status500InternalServerError, StatusCode.Internal, "ERR_SECRET_GET",
            $"failed getting secret with key {key} from secret store {storeName}: secret {key} not found");
    }

    /// <summary>All secrets of the store that this app may read.</summary>
    /// <exception cref="ApiException">No such store.</exception>
    public IReadOnlyDictionary<string, IReadOnlyDictionary<string, string>> GetAll(string storeName) =>
        Find(storeName).GetAll().Where(secret => IsAllowed(storeName, secret.Key)).ToDictionary(StringComparer.Ordinal);

    private ISecretStore Find(string storeName)
    {
        if (components.SecretStores.Count == 0)
        {
            throw new ApiException(
                StatusCodes.Status500InternalServerError, StatusCode.FailedPrecondition, "ERR_SECRET_STORES_NOT_CONFIGURED",
                "secret store is not configured");
        }

        return components.SecretStores.GetValueOrDefault(storeName) ?? throw new ApiException(
            StatusCodes.Status401Unauthorized, StatusCode.InvalidArgument, "ERR_SECRET_STORE_NOT_FOUND",
            $"failed finding secret store with key {storeName}");
    }

    private bool IsAllowed(string storeName, string key) =>
        configuration.Secrets?.Scopes?.FirstOrDefault(scope => scope.StoreName == storeName)?.Allows(key) ?? true;
}
