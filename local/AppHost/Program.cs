using PiiMasking.AppHost;

return await CommandLine.RunAsync(args);
