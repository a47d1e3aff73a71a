"""From a configuration to concrete parts: the only importer of adapters and of the catalog."""
