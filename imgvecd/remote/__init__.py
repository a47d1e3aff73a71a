"""The encoder on another machine: what travels between daemon and encode server, and both ends."""
