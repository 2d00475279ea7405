"""Network addresses as values: listen addresses, platform URLs, egress proxies and web origins."""
