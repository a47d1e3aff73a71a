"""A standalone Milvus server, from the PyPI package `milvus` in an environment of its own.

`make nightly-milvus` makes the environment and names its Python in MILVUS_PYTHON.
"""

import contextlib
import itertools
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from ports import free_port

DEADLINE_S = 120
# It listens on all addresses, whatever it is told: nobody gets in without the password.
_START = """
import socket, sys
from milvus import MilvusServer, MilvusServerConfig

def bound(self, port):
    end = socket.socket()
    end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Milvus does, after a kill
    try:
        end.bind(("127.0.0.1", port))
        end.listen()
    except OSError:
        return None
    return end

MilvusServerConfig.try_bind_port = bound
config = MilvusServerConfig(data_dir=sys.argv[1])
etcd = f"\\netcd:\\n  config:\\n    path: {sys.argv[1]}/etcd.yaml\\n"
config.template_text = config.template_text.replace("\\netcd:\\n", etcd, 1)
config.set("authorization_enabled", True)
for line in sys.argv[2:]:
    name, _, value = line.partition("=")
    config.set(name, type(config.get(name))(value))
server = MilvusServer(config)
server.start()
print(server.server_proc.pid, flush=True)
server.server_proc.wait()
"""
# Else it takes 2380, whoever has that: another server cannot start meanwhile.
_ETCD = """
name: default
initial-cluster: default=http://127.0.0.1:{peers}
initial-advertise-peer-urls: http://127.0.0.1:{peers}
listen-peer-urls: http://127.0.0.1:{peers}
advertise-client-urls: http://127.0.0.1:{clients}
listen-client-urls: http://127.0.0.1:{clients}
"""
_numbers = itertools.count()


class MilvusServer:
    """A server with a password of its own, in a file.

    Args:
        settings: "tls_mode=1" and the like.
        certificate: what a client trusts, if it speaks TLS.
    """

    def __init__(self, settings=(), certificate=None):
        self.python = os.environ.get("MILVUS_PYTHON")
        if not self.python:
            pytest.skip(
                "MILVUS_PYTHON is not set: `make nightly-milvus` makes a server to test with"
            )
        pytest.importorskip("pymilvus", reason="`pip install 'imgvecd[milvus]'`")
        self.folder = Path(tempfile.mkdtemp(prefix="imgvecd-milvus-"))
        self.certificate = certificate
        programs = Path(self.python).parent.parent / "milvus-bin"  # unpacked once
        programs.mkdir(exist_ok=True)
        (self.folder / "data").mkdir()
        (self.folder / "data" / "bin").symlink_to(programs)
        self.port, clients, peers, root = (free_port() for _ in range(4))
        (self.folder / "data" / "etcd.yaml").write_text(_ETCD.format(clients=clients, peers=peers))
        # by itself the root is at 53100, which the kernel may give to a connection meanwhile
        ports = (f"proxy_port={self.port}", f"etcd_port={clients}", f"root_coord_port={root}")
        self.settings = (*ports, *settings)
        self.password = self.folder / "password"
        self.start()
        secret = secrets.token_hex(12)
        with self.client("Milvus") as client:  # which everybody knows
            client.update_password("root", "Milvus", secret)
        self.password.write_text(secret)
        self.password.chmod(0o600)

    def start(self):
        """Start it; return once it answers."""
        self.process = subprocess.Popen(
            [self.python, "-c", _START, self.folder / "data", *self.settings],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            start_new_session=True,
        )
        line = self.process.stdout.readline()
        if not line:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)  # the server goes on without its parent
            raise AssertionError("Milvus did not start")
        self.pid = int(line)

    def kill(self):
        """End it at once, as a crash does."""
        for pid in (self.process.pid, self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
        until = time.monotonic() + DEADLINE_S
        while _runs(self.pid):
            assert time.monotonic() < until
            time.sleep(0.05)

    @contextlib.contextmanager
    def client(self, password=None, database=""):
        from pymilvus import MilvusClient  # noqa: PLC0415  # an extra

        encrypted = {"secure": True, "server_pem_path": str(self.certificate)}
        client = MilvusClient(
            self.address(),
            token=f"root:{password or self.password.read_text()}",
            db_name=database,
            timeout=10,
            dedicated=True,
            **(encrypted if self.certificate else {}),
        )
        try:
            yield client
        finally:
            client.close()

    def address(self, user=""):
        return f"http{'s' if self.certificate else ''}://{user}127.0.0.1:{self.port}"

    def make_database(self):
        name = f"d{next(_numbers)}"
        with self.client() as client:
            client.create_database(name)
        return MilvusDatabase(self, name)

    def close(self):
        """End it, and delete what it has."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class MilvusDatabase:
    """A database of a server, empty at first."""

    def __init__(self, server, name):
        self.server = server
        self.name = name

    @property
    def url(self):
        ca = f"?ca={self.server.certificate}" if self.server.certificate else ""
        return f"{self.server.address('root@')}/{self.name}{ca}"

    def engine(self):
        from imgvecd.adapters.milvus.engine import MilvusEngine  # noqa: PLC0415  # an extra

        return MilvusEngine(self.url, str(self.server.password))

    def drop(self):
        """Give its memory back."""
        with self.server.client(database=self.name) as client:
            for collection in client.list_collections():
                client.drop_collection(collection)


def _runs(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="session")
def milvus():
    """A server; the test is skipped where there is none to start."""
    server = MilvusServer()
    yield server
    server.close()


@pytest.fixture
def milvus_database(milvus):
    """An empty database."""
    database = milvus.make_database()
    yield database
    database.drop()
