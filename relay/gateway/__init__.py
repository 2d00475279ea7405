"""Wiro's own REST calls and task socket, for existing Wiro clients: they change one address and nothing else."""
