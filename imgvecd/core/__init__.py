"""What imgvecd is about, free of I/O libraries: planning, ingestion, search, checkpoints."""
