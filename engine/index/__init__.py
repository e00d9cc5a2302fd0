"""Vector indexes: exact, compact, Qdrant, and the choice between them."""
