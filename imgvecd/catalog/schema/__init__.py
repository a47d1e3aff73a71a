"""The catalog's tables, the steps that made them, and the connections to them."""
