"""Microsoft's own SDK against the server."""
