"""What the networks are and how they are taught. Knows nothing of the engine or the bots."""
