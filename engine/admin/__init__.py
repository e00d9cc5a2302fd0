"""Maintenance beside a running engine: backup, export, re-indexing, stored models."""
