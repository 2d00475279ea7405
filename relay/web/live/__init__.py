"""Live updates: WebSockets, event streams and polling."""
