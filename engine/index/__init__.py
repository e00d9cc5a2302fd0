"""Vector indexes: exact, compact, and Qdrant."""
