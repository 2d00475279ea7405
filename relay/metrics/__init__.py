"""What an operator sees of a relay: metrics, which are read from the counters of its parts, and traces of tasks."""
