"""HTTP below the calls: connections, limits, credentials, bodies, problem details and CORS."""
