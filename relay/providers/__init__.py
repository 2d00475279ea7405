"""One folder an upstream: its words become signals, our wishes become its requests."""
