"""Maintenance while an engine may be running: backup, export, reindexing, stored models."""
