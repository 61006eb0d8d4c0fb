using PiiMasking.Sidecar;

try
{
    var given = Flags.Read(args);
    if (given.On("help"))
    {
        Console.WriteLine("Flags (as daprd's; see README.md): " + string.Join(' ', Flags.Names.Select(name => "--" + name)));
        return 0;
    }

    if (given.On("version") || given.On("build-info"))
    {
        Console.WriteLine(SidecarOptions.Version);
        return 0;
    }

    if (given.On("wait"))
    {
        await OutboundHealth.WaitAsync(given.Last("dapr-http-port") ?? "3500");
        return 0;
    }

    var options = Flags.Interpret(given, Environment.GetEnvironmentVariable);
    await SidecarHost.RunAsync(options);
    return 0;
}
catch (StartupException failed)
{
    Console.Error.WriteLine($"sidecar: {failed.Message}");
    return 1;
}
