"""The SQLite database with its stores, and the in-memory cache."""
