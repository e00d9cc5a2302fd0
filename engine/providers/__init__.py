"""Where GIFs come from."""
