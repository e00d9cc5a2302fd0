"""Published weights and word vectors, read into this project's networks."""
