"""The networks that run, and the bundles that they are loaded from. Knows nothing of the engine or the bots."""
