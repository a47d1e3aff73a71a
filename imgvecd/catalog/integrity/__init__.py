"""Whether a catalog's file and rows are sound, and how rows are made sound again."""
