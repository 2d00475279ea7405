"""Models with documented inputs: one TOML file per model, its check, and its JSON Schema."""
