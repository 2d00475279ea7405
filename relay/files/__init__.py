"""Uploaded files: on the relay's disk until the provider has them, and in a provider's own file store."""
