"""From a URL to frames: download, checks before decoding, decoding."""
