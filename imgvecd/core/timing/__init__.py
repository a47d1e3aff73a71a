"""How long things take, how fast they go, and when to try again."""
