"""The web server, on aiohttp: authorization, requests and responses."""
