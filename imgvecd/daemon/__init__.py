"""The always-on process: starts the parts, keeps them going, stops them."""
