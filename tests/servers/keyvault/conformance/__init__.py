"""Microsoft's own SDKs against the server."""
