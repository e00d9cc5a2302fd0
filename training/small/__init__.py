"""Trains the bundled model ``small``, stage by stage."""
