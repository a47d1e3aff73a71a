"""HTTP on the Unix socket: requests in, answers out, no decisions."""
