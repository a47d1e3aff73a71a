"""Fixtures: one PostgreSQL server for a run of tests, a database of its own for each test."""

import itertools

import pytest
from postgres_server import PostgresServer

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres():
    """A server with pgvector; the test is skipped where the wheel is not installed."""
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture
def database(postgres):
    """The URL of an empty database."""
    return postgres.make_database(f"d{next(_numbers)}")
