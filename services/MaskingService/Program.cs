using System.CommandLine;
using PiiMasking.MaskingService;
using PiiMasking.MaskingService.Audit;
using PiiMasking.MaskingService.Erasure;
using PiiMasking.MaskingService.Keys;
using PiiMasking.MaskingService.Keys.Commands;
using PiiMasking.MaskingService.Retention;
using PiiMasking.MaskingService.Rotation;
using PiiMasking.MaskingService.SecretFiles;
using PiiMasking.MaskingService.Storage;
using PiiMasking.ServiceDefaults;

if (HealthProbe.IsAskedFor(args, out var address))
    return await HealthProbe.RunAsync(address);

var program = new RootCommand("Masks logins and stores them in Postgres. Without a verb it serves; it is configured by environment variables (see README.md).")
{
    MigrateCommand.Create(),
    KeysetCommands.Create(KeyProofCommands.Create(Terminal.OfProcess(), new ConfigurationBuilder().AddEnvironmentVariables().Build())),
    RotationCommand.Create(),
    AuditCommand.Create(),
    ErasureCommand.Create(),
    RetentionCommand.Create(),
    SecretFilesCommand.Create(),
};
program.SetAction((_, _) => ServiceHost.RunAsync(() => MaskingHost.Build()));
// The host answers to signals itself and lets what is in work come to its end; the parser's handler would end the process after two seconds.
var invocation = args.Length == 0 ? new InvocationConfiguration { ProcessTerminationTimeout = null } : null;
return await program.Parse(args).InvokeAsync(invocation);
