"""Trains the head that tells which reaction a text asks for, and measures it."""
