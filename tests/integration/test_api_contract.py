"""A real daemon under requests made from its own description: whatever comes, it answers by it.

schemathesis makes requests that fit the OpenAPI document and requests that do not, and compares
every answer with the document: status, media type, headers, body.
"""

import re
import shutil

import msgspec
import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from later import Later
from running import DEADLINE_S, RunningDaemon

from imgvecd.server import openapi

# Importing it takes seconds, which only who runs these tests has to wait for.
schemathesis = Later("schemathesis")
CHECKS = Later("schemathesis.checks", "CHECKS")

# They end when the client leaves, which schemathesis does not; test_events and test_search listen.
ENDLESS = re.compile(r"/v1/(search/live|events)$")
# What a request says in words of its own (dates, globs, filters, cursors, clocks) may be wrong
# although it fits the document; that such is refused is no failure. Nor is it that an id is not
# written 7.0, which JSON Schema counts among the integers.
WORDY = re.compile(
    r"/v1/(search|saved|classify|changes|duplicates|rescan|tags|timeline|facets|positions"
    r"|images$|images/lookup)"
)
CASES_A_RUN = 6  # for each operation: a few hundred in all
CASES_A_NIGHT = 400  # likewise: more than 10,000

DOCUMENT = msgspec.json.decode(openapi.document())
OPERATIONS = [
    f"{method.upper()} {path}"
    for path, methods in DOCUMENT["paths"].items()
    for method in methods
    if not ENDLESS.match(path)
]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    """A daemon over the project's pictures that also listens on TCP, and a file that is none."""
    home = tmp_path_factory.mktemp("home")
    pictures = home / "Pictures"
    shutil.copytree("tests/data/photos", pictures, ignore=shutil.ignore_patterns("*.md"))
    listening = {
        "server__tcp": "127.0.0.1:0",
        "server__token_file": home / "token",
        "server__timeout_s": 20,
    }
    daemon = RunningDaemon(home, [pictures], listening)
    daemon.wait_until_indexed(len(list(pictures.iterdir())))
    # the last one, so that the ids that are asked for are those of pictures
    (pictures / "broken.jpg").write_bytes(b"no picture")
    daemon.wait_until(lambda: daemon.status()["files"]["failed"] == 1)
    yield daemon
    daemon.kill()


@pytest.fixture(scope="module")
def session(daemon):
    """What asks the daemon, with its token."""
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {(daemon.home / 'token').read_text().strip()}"
        yield session


@pytest.fixture(scope="module")
def base_url(daemon):
    (port,) = re.findall(r"listening on \('127\.0\.0\.1', (\d+)\)", daemon.log.read_text())
    return f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def operations():
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    found = [each.ok() for each in schema.get_all_operations()]
    return {operation.label: operation for operation in found}


def limits(cases):
    return settings(
        max_examples=cases,
        deadline=None,
        database=None,
        derandomize=cases == CASES_A_RUN,  # what fails by day fails again
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )


def check(operation, cases, base_url, session):
    """Ask so many times, half of them wrongly, and compare every answer with the document."""
    checks = set(CHECKS.get_all())
    if WORDY.match(operation.path):
        checks.remove(CHECKS.get_one("positive_data_acceptance"))
    for mode in schemathesis.GenerationMode:

        @given(case=operation.as_strategy(generation_mode=mode))
        @limits(cases // 2)
        def ask(case):
            response = case.call(base_url=base_url, session=session, timeout=DEADLINE_S)
            case.validate_response(response, checks=list(checks))

        try:
            ask()
        except Unsatisfiable:  # an operation without any parameter cannot be asked wrongly
            assert mode is schemathesis.GenerationMode.NEGATIVE


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_answer_is_as_described(operations, operation, base_url, session):
    check(operations[operation], CASES_A_RUN, base_url, session)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_answer_is_as_described_all_night(operations, operation, base_url, session):
    check(operations[operation], CASES_A_NIGHT, base_url, session)


def test_the_daemon_survived(daemon):
    assert daemon.status()["pid"] == daemon.process.pid
    assert "Traceback" not in daemon.log.read_text()
