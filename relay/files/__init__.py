"""Uploaded files: on disk until a provider has them, and in a provider's own file store."""
