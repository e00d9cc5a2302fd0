"""DeepGIF in Discord."""
