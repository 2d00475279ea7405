"""Network addresses as values: listen addresses, platform URLs, egress proxies, web origins and webhook receivers."""
