"""The REST API: each call reads its request, calls a use case and writes the answer."""
