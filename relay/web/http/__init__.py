"""HTTP below the API: connections, limits, credentials, request bodies, problem details and CORS."""
