"""From a decoded GIF to the frames that a network takes."""
