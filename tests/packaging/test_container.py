"""The image: built from the Dockerfile's own steps, run as compose.yaml runs it, searched."""

import http.client
import json
import re
import secrets
import time
from pathlib import Path

import pytest
import yaml
from commands_run import ran
from debian_root import debian, need, pip_here
from ports import free_port

from imgvecd.config.schema_table import settings

ROOT = Path(__file__).parents[2]
PHOTOS = ROOT / "tests" / "data" / "photos"
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SERVICES = COMPOSE["services"]


def test_what_is_copied_is_sent_to_the_builder_and_there():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    for name in " ".join(copied).split():
        assert f"!{name}" in ignored
        assert (ROOT / name).exists()


def test_every_variable_is_a_setting():
    named = set(re.findall(r"IMGVECD_[A-Z_]+", DOCKERFILE))
    for service in SERVICES.values():
        named.update(service.get("environment", {}))
    known = {f"IMGVECD_{key.upper().replace('.', '__')}" for key in settings()}
    assert named - {"IMGVECD_SOCKET"} - known == set()


def test_both_services_are_confined_and_share_the_socket():
    volumes = re.search(r"^VOLUME (\[.*\])$", DOCKERFILE, re.MULTILINE)
    for service in SERVICES.values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert "socket:/run/imgvecd" in service["volumes"]
    for mount in SERVICES["imgvecd"]["volumes"][1:]:
        assert mount.partition(":")[2] in json.loads(volumes[1])
    assert SERVICES["imgvecd"]["volumes"][0].endswith(":/photos:ro")
    assert SERVICES["page"]["ports"] == ["127.0.0.1:8770:8770"]


@pytest.fixture(scope="module")
def podman(tmp_path_factory):
    """A function that calls Podman, which has the image `imgvecd`."""
    need("debootstrap", "buildah", "podman", "runc")
    place = tmp_path_factory.mktemp("containers")
    store = ("--root", place / "store", "--runroot", place / "run", "--storage-driver", "overlay")
    base = debian(place / "debian")
    container = ran("buildah", *store, "from", "scratch").strip()
    ran("buildah", *store, "copy", "--quiet", container, base, "/")
    ran("buildah", *store, "commit", "--quiet", "--rm", container, "localhost/base")
    configuration, paths = pip_here(place / "pip.conf")
    mounts = [f"{path}:{path}:ro" for path in paths] + [f"{configuration}:/etc/pip.conf:ro"]
    ran(
        *("buildah", *store, "build", "--isolation", "chroot", "--format", "docker"),
        *("--build-arg", "BASE=localhost/base", "--build-arg", "TORCH_INDEX="),
        *(f"--volume={mount}" for mount in mounts),
        *("--tag", "localhost/imgvecd", ROOT),
    )

    def call(*arguments, **options):
        return ran(
            "podman", "--runtime", "runc", "--cgroup-manager", "cgroupfs", *store, *arguments
        )

    yield call
    call("rm", "--all", "--force", "--time", "5")
    call("rmi", "--all", "--force")


CONFINED = (
    *("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--network", "host"),  # noqa: S108
    *("--security-opt", "no-new-privileges", "--ulimit", "nofile=1024:1024"),
    *("--ulimit", "nproc=4096:4096", "--pids-limit", "-1"),
)
VOLUMES = (
    *("--volume", "state:/var/lib/imgvecd", "--volume", "cache:/var/cache/imgvecd"),
    *("--volume", "socket:/run/imgvecd"),
)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_it_is_built_searched_stopped_and_started_again(podman, tmp_path):
    photos = ("--volume", f"{PHOTOS}:/photos:ro", "--env", "IMGVECD_MODEL=small")
    podman("run", "--detach", "--name", "first", *CONFINED, *VOLUMES, *photos, "localhost/imgvecd")
    deadline = time.monotonic() + 300
    while True:
        printed = podman("exec", "first", "sh", "-c", "imgvec status --json || true")
        answer = json.loads(printed or "{}")  # nothing before it listens
        if answer.get("state") == "idle" or time.monotonic() > deadline:
            break
        time.sleep(1)
    assert answer["files"]["indexed"] == len(list(PHOTOS.glob("*.jpg")))
    found = podman("exec", "first", "imgvec", "search", "a cup of coffee").splitlines()
    assert found[0] == "/photos/coffee.jpg"
    podman("healthcheck", "run", "first")

    port, secret = free_port(), tmp_path / "secret"
    secret.write_text(secrets.token_urlsafe(32))
    secret.chmod(0o600)
    secret.parent.chmod(0o755)
    ran("chown", "1000:1000", secret)
    podman(
        *("run", "--detach", "--name", "page", *CONFINED, *VOLUMES[-2:]),
        *("--volume", f"{secret}:/run/secrets/browse:ro"),
        *("--env", f"IMGVECD_BROWSE__LISTEN=127.0.0.1:{port}"),
        *("--env", f"IMGVECD_BROWSE__ORIGIN=http://localhost:{port}"),
        *("--env", "IMGVECD_BROWSE__SECRET_FILE=/run/secrets/browse"),
        *("localhost/imgvecd", *SERVICES["page"]["command"]),
    )
    while "imgvec browse:" not in podman("logs", "page"):
        assert time.monotonic() < deadline + 60
        time.sleep(0.5)
    connection = http.client.HTTPConnection("localhost", port, timeout=60)
    headers = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    for path, status in (("/", 303), ("/enter", 200)):
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        shown = answer.read().decode()
        assert answer.status == status
    assert "secret" in shown
    podman("stop", "--time", "60", "page", "first")
    for name in ("page", "first"):
        assert podman("inspect", name, "--format", "{{.State.ExitCode}}").strip() == "0"
    podman("rm", "first", "page")

    podman("run", "--detach", "--name", "again", *CONFINED, *VOLUMES, *photos, "localhost/imgvecd")
    while not podman("exec", "again", "sh", "-c", "imgvec search rocket || true"):
        assert time.monotonic() < deadline + 300
        time.sleep(1)
    assert "encoded)" not in podman("logs", "again")
    podman("stop", "--time", "60", "again")
