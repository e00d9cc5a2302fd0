"""Datasets of captioned pictures and clips."""
