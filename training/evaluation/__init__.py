"""Retrieval metrics, and the programs that print them."""
