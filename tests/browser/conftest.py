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


@pytest.fixture(scope="session", params=KINDS or [pytest.param("none", marks=NONE)])
def browser(request):
    browser = Browser(request.param)
    browser.resize(1200, 800)
    yield browser
    browser.close()


@pytest.fixture
def gateway(daemon):
    gateway = Gateway(daemon)
    yield gateway
    gateway.close()


@pytest.fixture
def page(browser, gateway):
    """The browser with the page open, and photos to be seen."""
    browser.requested.clear()
    browser.resize(1200, 800)
    browser.open(gateway.address)
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
