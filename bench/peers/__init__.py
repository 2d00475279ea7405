"""The peers: each a server with viewers on a port and lines to bring them on the next."""
