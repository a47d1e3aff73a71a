"""What runs in child processes: the encoder (torch) and the decoders (Pillow)."""
