"""A small Azure Key Vault server for tests, over HTTPS."""
