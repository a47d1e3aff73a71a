"""Third-party libraries, one module each: the only importers of them."""
