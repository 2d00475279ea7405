"""What earlier runs of a model say about a task: how long it takes, how long it stays silent, and what it costs."""
