using System.Text.Json.Serialization;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;
using PiiMasking.Logins;
using PiiMasking.MaskingService.Listeners;

namespace PiiMasking.MaskingService.People;

/// <summary><c>GET /openapi/v1.json</c> on the people port: what can be asked there, for tools. It is open: it says what this source
/// says.</summary>
internal static class ApiDescription
{
    private const string Bearer = "bearer";

    public static void AddApiDescription(this IHostApplicationBuilder builder)
    {
        // The default also takes numbers as strings, and the description would say so everywhere.
        builder.Services.ConfigureHttpJsonOptions(json => json.SerializerOptions.NumberHandling = JsonNumberHandling.Strict);
        builder.Services.AddOpenApi("v1", Configure);
    }

    public static void MapApiDescription(this IEndpointRouteBuilder routes) =>
        routes.MapOpenApi("/openapi/{documentName}.json").On(Listener.People);

    private static void Configure(OpenApiOptions options)
    {
        options.ShouldInclude = route => route.ActionDescriptor.EndpointMetadata.OfType<PeopleRoutes.PeopleAction>().Any();
        options.AddDocumentTransformer((document, _, _) =>
        {
            Describe(document);
            return Task.CompletedTask;
        });
        options.AddSchemaTransformer((schema, context, _) =>
        {
            // On the wire a personal value is a string; as a type it shows nothing of itself.
            if ((Nullable.GetUnderlyingType(context.JsonTypeInfo.Type) ?? context.JsonTypeInfo.Type) == typeof(Pii))
            {
                schema.Type = JsonSchemaType.String | (schema.Type & JsonSchemaType.Null);
                schema.Properties?.Clear();
            }

            return Task.CompletedTask;
        });
    }

    private static void Describe(OpenApiDocument document)
    {
        document.Info = new OpenApiInfo
        {
            Title = "PII masking: people port",
            Version = "v1",
            Description = "What people do with masked logins. Every error is a problem details object (RFC 9457) without a personal value "
                + "in it. "
                + "Answers with values in the clear are given only after the record of them is durable.",
        };
        document.Servers?.Clear();
        document.Components ??= new OpenApiComponents();
        document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
        {
            [Bearer] = new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.Http,
                Scheme = Bearer,
                BearerFormat = "JWT",
                Description = $"A token of the configured issuer and audience. Scopes: {string.Join(", ", Scopes.All)}.",
            },
        };
        document.Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference(Bearer, document)] = [] }];
    }
}
