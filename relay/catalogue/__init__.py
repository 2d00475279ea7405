"""The models that are known well: one TOML file each, what they take, and what is sent for it."""
