"""The HTTP API: routes, JSON schemas, errors, the server's life, the client, and the search page."""
