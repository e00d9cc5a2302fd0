"""Where GIFs come from: GIPHY, Klipy, a folder."""
