"""What brings a catalog back: backups, checksums, and the choice between them at a start."""
