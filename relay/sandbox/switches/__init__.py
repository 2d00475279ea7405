"""The switches that make the sandbox misbehave: their names, values and parsers."""
