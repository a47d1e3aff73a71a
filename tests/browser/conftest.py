import shutil

import pytest
from browsers import Browser, installed
from browsing import start_daemon
from gateways import Gateway

KINDS = installed()
NONE = pytest.mark.skip(reason="neither Chromium (with chromedriver) nor Firefox is installed")


@pytest.fixture(scope="session")
def daemon(tmp_path_factory):
    daemon = start_daemon(tmp_path_factory.mktemp("home"))
    yield daemon
    daemon.kill()


def _browsers():
    """Return the first kind that is installed, and the others at night."""
    if not KINDS:
        return [pytest.param("none", marks=NONE)]
    return [KINDS[0], *(pytest.param(kind, marks=pytest.mark.nightly) for kind in KINDS[1:])]


@pytest.fixture(scope="session", params=_browsers())
def kind(request):
    """The browser's name, for who starts one of his own."""
    return request.param


@pytest.fixture(scope="session")
def browser(kind):
    browser = Browser(kind)
    browser.resize(1200, 800)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def gateway(browser, daemon):
    """A gateway whose cookie the browser has: its address was used."""
    gateway = Gateway(daemon)
    browser.open(gateway.address)
    yield gateway
    gateway.close()


@pytest.fixture
def page(browser, gateway):
    """The browser with the page open, as at a first visit, and photos to be seen."""
    browser.requested.clear()
    browser.resize(1200, 800)
    browser.open(f"http://{gateway.host}/")
    browser.until("document.querySelectorAll('.cell.shown').length >= 5")
    yield browser
    browser.open("about:blank")


@pytest.fixture
def own_daemon(tmp_path):
    """A daemon that a test may stop and change."""
    daemon = start_daemon(tmp_path)
    yield daemon
    daemon.kill()
    shutil.rmtree(tmp_path, ignore_errors=True)
