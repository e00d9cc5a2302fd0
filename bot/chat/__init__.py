"""What requests lead to, for every platform: commands, searches, sessions and replies."""
