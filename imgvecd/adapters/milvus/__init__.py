"""A shared engine on Milvus, by pymilvus."""
