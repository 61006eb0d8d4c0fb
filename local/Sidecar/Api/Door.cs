using Microsoft.AspNetCore.Routing.Matching;

namespace PiiMasking.Sidecar.Api;

/// <summary>Which of the sidecar's ports a request came in by, and which an endpoint belongs to.</summary>
internal sealed record Door
{
    private Door(string name) => Name = name;

    public static Door Http { get; } = new("HTTP");
    public static Door Grpc { get; } = new("gRPC");
    public static Door Internal { get; } = new("internal");

    public string Name { get; }
}

/// <summary>Keeps the endpoints of one port from answering on another.</summary>
internal sealed class DoorPolicy : MatcherPolicy, IEndpointSelectorPolicy
{
    public override int Order => int.MinValue;

    public bool AppliesToEndpoints(IReadOnlyList<Endpoint> endpoints) => true;

    public Task ApplyAsync(HttpContext httpContext, CandidateSet candidates)
    {
        var door = httpContext.Features.Get<Door>();
        for (var i = 0; i < candidates.Count; i++)
        {
            if (candidates[i].Endpoint?.Metadata.GetMetadata<Door>() is { } own && own != door)
                candidates.SetValidity(i, false);
        }

        return Task.CompletedTask;
    }
}
