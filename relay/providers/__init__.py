"""The clients of the platforms: one package per provider, on a shared HTTP client and shared parsers."""
