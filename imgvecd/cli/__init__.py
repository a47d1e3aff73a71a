"""`imgvecd`, the command that sets up and runs the daemon."""
