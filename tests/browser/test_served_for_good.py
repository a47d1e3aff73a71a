"""`imgvec browse --serve`: the secret is asked for once; alone, and behind nginx and Caddy."""

import base64
import contextlib
import http.client
import io
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time

import pytest
from PIL import Image
from ports import free_port
from running import DEADLINE_S

SECRET = "s3cret-" * 6
DOCS = pathlib.Path(__file__).parents[2] / "docs" / "browse.md"
UNIT = str(DOCS.parents[1] / "systemd" / "imgvecd-browse.service")
CONFINED = str(pathlib.Path(__file__).parents[1] / "as_a_unit.py")
# what the unit refuses: other networks, other namespaces, other system calls, code that is written
TRIES = """
import ctypes, errno, mmap, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def said(act):
    try:
        failed = ctypes.get_errno() if act() == -1 else 0
    except OSError as error:
        failed = error.errno
    return errno.errorcode.get(failed)
print([
    said(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)),
    said(lambda: libc.unshare(0x20000)),
    said(lambda: libc.mount(b"none", b"/mnt", b"tmpfs", 0, 0)),
    said(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)),
])
"""
NOISE = Image.effect_noise((1600, 1600), 90)  # larger than proxies take where nothing is said
OWN = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
TYPED = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


def picture():
    file = io.BytesIO()
    NOISE.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def until_open(port, process):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"nothing listens on {port}: {process.poll()}")


def configured(tmp_path, mode=0o600, **browse):
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(mode)
    path = tmp_path / "imgvecd.yaml"
    path.write_text(json.dumps({"browse": {"secret_file": str(secret), **browse}}))
    return path


def serve(daemon, config, wrapper=(), **options):
    return subprocess.Popen(
        [*wrapper, sys.executable, "-m", "imgvecd.client.main", "browse", "--serve"],
        env={**daemon.env, "IMGVECD_CONFIG": str(config), "IMGVECD_SOCKET": str(daemon.socket)},
        **options,
    )


@pytest.fixture
def served(daemon, tmp_path):
    port = free_port()
    process = serve(daemon, configured(tmp_path, listen=f"127.0.0.1:{port}"))
    until_open(port, process)
    yield port
    process.terminate()
    process.wait(DEADLINE_S)


def test_it_ends_in_order_when_told_to(daemon, tmp_path):
    port = free_port()
    process = serve(daemon, configured(tmp_path, listen=f"127.0.0.1:{port}"))
    until_open(port, process)
    process.terminate()  # what systemd and containers send
    assert process.wait(DEADLINE_S) == 0


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_all_of_it_works_under_the_restrictions_of_its_unit(daemon, tmp_path):
    confined = [sys.executable, CONFINED, UNIT]
    assert subprocess.check_output([*confined, sys.executable, "-c", TRIES], text=True) == (
        f"{['EAFNOSUPPORT', 'EPERM', 'EPERM', 'EACCES']}\n"
    )
    port = free_port()
    config = configured(tmp_path, listen=f"127.0.0.1:{port}")
    process = serve(daemon, config, wrapper=confined)
    try:
        until_open(port, process)
        origin = f"http://127.0.0.1:{port}"

        def ask(method, path, body=None, **headers):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
            head = {**OWN, "Origin": origin, "Content-Type": "application/json", **headers}
            connection.request(method, path, body and json.dumps(body), head)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

        status, headers, _ = ask("POST", "/enter", {"secret": SECRET})
        assert status == 200
        cookie = headers["Set-Cookie"].partition(";")[0]
        assert ask("GET", "/web/main.js", Cookie=cookie)[0] == 200
        status, _, found = ask("POST", "/v1/search", {"text": "a cat"}, Cookie=cookie)
        assert status == 200
        best = json.loads(found)["hits"][0]["id"]
        for what in ("thumbnail?size=512", "original"):
            status, _, data = ask("GET", f"/v1/images/{best}/{what}", Cookie=cookie)
            assert (status, Image.open(io.BytesIO(data)).format) == (200, "JPEG")
        tagged = {"ids": [best], "add": ["confined"], "remove": []}
        assert ask("POST", "/v1/tags", tagged, Cookie=cookie)[0] == 200
        tagged = {"ids": [best], "add": [], "remove": ["confined"]}
        assert ask("POST", "/v1/tags", tagged, Cookie=cookie)[0] == 200
        state = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        assert re.search(r"NoNewPrivs:\s+1\n", state)
        assert re.search(r"Seccomp:\s+2\n", state)
    finally:
        process.terminate()
        assert process.wait(DEADLINE_S) == 0


def test_a_browser_is_asked_for_the_secret_once(browser, served):
    browser.open(f"http://127.0.0.1:{served}/")
    browser.until("document.querySelector('input[name=secret]')")
    assert browser.js("location.pathname") == "/enter"
    browser.press("wrong", "Enter")
    browser.until("document.querySelector('#why').textContent.includes('not the secret')")
    browser.js("void (document.querySelector('input').value = '')")
    browser.press(SECRET, "Enter")
    browser.until("document.querySelectorAll('.cell.shown').length >= 5")
    assert "Close" not in browser.js("document.querySelector('nav').innerText")
    browser.open(f"http://127.0.0.1:{served}/")
    browser.until("document.querySelectorAll('.cell.shown').length >= 5")
    browser.open("about:blank")
    # of that host every server has it, and other tests look at what theirs are sent
    browser.ask("storage.deleteCookies", filter={"domain": "127.0.0.1"})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, b"browse.listen"),
        ({"listen": "127.0.0.1:0", "secret_file": ""}, b"browse.secret_file"),
        ({"listen": "127.0.0.1:0", "secret_file": "/none/secret"}, b"/none/secret"),
        ({"listen": "0.0.0.0:0", "origin": "http://photos.example"}, b"browse.origin"),
        ({"listen": "127.0.0.1:0", "mode": 0o644}, b"chmod 600"),
    ],
)
def test_it_is_refused_without_what_makes_it_safe(daemon, tmp_path, settings, said):
    process = serve(daemon, configured(tmp_path, **settings), stderr=subprocess.PIPE)
    _, error = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 2
    assert said in error


@pytest.mark.long
@pytest.mark.parametrize("kind", ["nginx", "caddy"])
def test_behind_a_proxy_as_the_docs_show_it(daemon, tmp_path, kind):
    if shutil.which(kind) is None:
        pytest.skip(f"{kind} is not installed")
    inner, outer = free_port(), free_port()
    config = configured(tmp_path, listen=f"127.0.0.1:{inner}", origin="https://photos.example")
    process = serve(daemon, config)
    proxy = None
    try:
        until_open(inner, process)
        proxy = PROXIES[kind](tmp_path, inner, outer)
        until_open(outer, proxy)
        status, headers, _ = ask(outer, "GET", "/", **TYPED)
        assert (status, headers["Location"]) == (303, "/enter")
        write = {**OWN, "Origin": "https://photos.example", "Content-Type": "application/json"}
        body = json.dumps({"secret": SECRET})
        status, headers, _ = ask(outer, "POST", "/enter", body, **write)
        assert status == 200
        assert "Secure" in headers["Set-Cookie"]
        cookie = headers["Set-Cookie"].partition(";")[0]
        status, _, answer = ask(outer, "GET", "/v1/status", Cookie=cookie, **OWN)
        assert (status, json.loads(answer)["state"]) == (200, "idle")
        assert ask(outer, "GET", "/v1/status", **OWN)[0] == 401
        with asking(outer, "GET", "/v1/events", Cookie=cookie, **OWN) as events:
            assert events.readline() == b"event: status\n"  # at once, though the answer goes on
        large = json.dumps({"text": "a cat", "terms": [{"data": picture(), "weight": 0.01}]})
        status, _, answer = ask(outer, "POST", "/v1/search", large, Cookie=cookie, **write)
        assert (status, bool(json.loads(answer)["hits"])) == (200, True)
    finally:
        process.terminate()
        process.wait(DEADLINE_S)
        if proxy is not None:
            proxy.terminate()
            proxy.wait(DEADLINE_S)


def documented(kind):
    """Return the configuration that the docs show."""
    (site,) = re.findall(rf"```{kind}\n(.*?)```", DOCS.read_text(), re.DOTALL)
    return site


def certificate(folder):
    key, made = folder / "key.pem", folder / "certificate.pem"
    subject = ["-days", "1", "-subj", "/CN=photos.example"]
    named = ["-addext", "subjectAltName=DNS:photos.example", "-keyout", key, "-out", made]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject, *named]
    subprocess.run(command, check=True, capture_output=True)
    return made, key


def start_caddy(folder, inner, outer):
    made, key = certificate(folder)
    site = documented("caddy").replace("8770", str(inner))
    # of its own accord it would ask an authority for a certificate, and listen on port 80
    site = site.replace("photos.example {", f"https://photos.example:{outer} {{\ntls {made} {key}")
    options = "admin off\nauto_https disable_redirects\ndefault_sni photos.example"
    file = folder / "Caddyfile"
    file.write_text(f"{{\n{options}\n}}\n{site}")
    command = ["caddy", "run", "--adapter", "caddyfile", "--config", file]
    return subprocess.Popen(command, env={**os.environ, "HOME": str(folder)})


def start_nginx(folder, inner, outer):
    made, key = certificate(folder)
    site = documented("nginx")
    site = site.replace("listen 443 ssl", f"listen 127.0.0.1:{outer} ssl")
    site = site.replace("/etc/ssl/photos.example.crt", str(made))
    site = site.replace("/etc/ssl/photos.example.key", str(key)).replace("8770", str(inner))
    user = "user root;" if os.getuid() == 0 else ""
    kept = " ".join(
        f"{name}_temp_path {folder}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; pid {folder}/pid; error_log stderr; events {{}}"
        f" http {{ access_log off; {kept} {site} }}"
    )
    return subprocess.Popen(["nginx", "-p", folder, "-c", folder / "nginx.conf"])


PROXIES = {"nginx": start_nginx, "caddy": start_caddy}


@contextlib.contextmanager
def asking(port, method, path, body=None, **headers):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=DEADLINE_S, context=context)
    try:
        connection.request(method, path, body, {"Host": "photos.example", **headers})
        yield connection.getresponse()
    finally:
        connection.close()


def ask(port, method, path, body=None, **headers):
    with asking(port, method, path, body, **headers) as response:
        return response.status, response.headers, response.read()
