"""Trains Skip-Thoughts sentence encoders."""
