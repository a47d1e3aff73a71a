"""`imgvec`, the query tool: imports nothing heavy."""
