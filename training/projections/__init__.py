"""Trains the two linear projections on any pair of encoders."""
