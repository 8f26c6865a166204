return await Lanyard.Credentials.CredentialsProgram.RunAsync(args);
