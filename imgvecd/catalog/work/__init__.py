"""What waits to be read and encoded, and the embeddings that come of it."""
