using System.Buffers;
using Dapr.AspNetCore;
using Microsoft.AspNetCore.Http.HttpResults;

namespace PiiMasking.IngestionService.Intake;

/// <summary><c>POST /logins</c>: a bulk delivery of daprd, answered entry by entry.</summary>
/// <remarks>
/// Never 404 and never an empty answer: daprd would take every entry for done. 400 for what is no bulk delivery makes it keep them.
/// </remarks>
internal static class IntakeEndpoint
{
    private const int FirstBuffer = 64 << 10;
    private const int LargestFirstBuffer = 8 << 20;

    public static async Task<Results<Ok<BulkSubscribeAppResponse>, ProblemHttpResult>> HandleAsync(
        HttpRequest request, LoginIntake intake, ILogger<LoginIntake> log, CancellationToken aborted)
    {
        // Kestrel's own limit stops what is longer than announced or than allowed.
        var buffer = ArrayPool<byte>.Shared.Rent((int)Math.Clamp((request.ContentLength ?? 0) + 1, FirstBuffer, LargestFirstBuffer));
        try
        {
            var length = 0;
            while (await request.Body.ReadAsync(buffer.AsMemory(length), aborted) is var read and > 0)
            {
                length += read;
                if (length == buffer.Length)
                    buffer = Grow(buffer);
            }

            if (!BulkDelivery.TryRead(buffer.AsMemory(0, length), out var entries))
            {
                log.NotABulkDelivery();
                return TypedResults.Problem("The body is not a bulk delivery of Dapr.", statusCode: StatusCodes.Status400BadRequest);
            }

            // Not tied to the caller's connection: what is on its way to the masking service may as well arrive, and a delivery that daprd
            // gave up is found to be repeated when it comes again.
            var done = await intake.TakeAsync(entries);
            return TypedResults.Ok(new BulkSubscribeAppResponse([.. entries.Zip(done, (entry, isDone) => new BulkSubscribeAppResponseEntry(
                entry.EntryId, isDone ? BulkSubscribeAppResponseStatus.SUCCESS : BulkSubscribeAppResponseStatus.RETRY))]));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
        }
    }

    private static byte[] Grow(byte[] full)
    {
        var larger = ArrayPool<byte>.Shared.Rent(checked(full.Length * 2));
        full.CopyTo(larger, 0);
        ArrayPool<byte>.Shared.Return(full, clearArray: true);
        return larger;
    }
}
