"""The REST API: each handler parses its request, calls a use case and writes the response."""
