"""Files as bytes: formats by name, companions, hashes, durable writing, a disk's refusals."""
