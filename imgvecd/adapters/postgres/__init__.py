"""A shared engine on PostgreSQL with pgvector, by psycopg."""
