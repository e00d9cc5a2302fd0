"""What outlives the process, in SQLite, and the in-memory cache."""
