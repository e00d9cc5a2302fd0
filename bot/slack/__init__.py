"""DeepGIF in Slack."""
