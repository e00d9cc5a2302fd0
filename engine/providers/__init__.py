"""Where GIFs come from: GIPHY, Klipy, or a folder."""
