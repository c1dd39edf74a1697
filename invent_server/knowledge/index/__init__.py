"""The index process: client in the server, child that opens the engine."""
