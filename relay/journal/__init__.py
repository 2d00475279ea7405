"""The durable log: the contract (`base`), one backend for each kind of store, and retention."""
