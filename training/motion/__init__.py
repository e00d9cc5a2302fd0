"""Trains the motion head of ``small_motion``."""
