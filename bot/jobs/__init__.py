"""Acknowledged requests: queued, done exactly once, and taken over by another replica if this one stops."""
