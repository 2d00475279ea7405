"""The durable log: one contract (base), one module for each place that can keep it."""
