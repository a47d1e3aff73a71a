"""`imgvec mcp`: a Model Context Protocol server on stdin and stdout, over `Client`."""
