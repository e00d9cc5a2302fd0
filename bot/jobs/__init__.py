"""Requests that were acknowledged: stored, answered once, and taken over if their process dies."""
