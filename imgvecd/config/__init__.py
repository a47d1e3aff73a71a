"""Settings: the table of them, and reading them from file, environment and flags."""
