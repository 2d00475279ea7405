"""The journal in a PostgreSQL database, for relays on several machines."""
