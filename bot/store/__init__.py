"""The bots' database: preferences, search sessions, collections of GIFs, and encryption."""
