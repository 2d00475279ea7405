"""Network addresses as values: where to listen, whom to call and through which proxy, and web origins."""
