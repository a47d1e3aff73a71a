"""Pages of elsewhere, and other programs on this machine, get nothing from the gateway."""

import http.client
import http.server
import json
import re
import socket
import threading

import pytest
from browsers import Browser
from gateways import Gateway
from running import DEADLINE_S

NOTHING = "imgvec"  # the cookie's name


class Elsewhere:
    """A web server of somebody else on this machine: tells what it was sent."""

    def __init__(self):
        outer = self
        self.heads = []
        self.page = ""

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.heads.append(dict(self.headers))
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(outer.page.encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def elsewhere():
    server = Elsewhere()
    yield server
    server.close()


@pytest.fixture(params=["127.0.0.1", "evil.localhost"])
def foreign(request, browser, gateway, elsewhere):
    """A page of another origin in the very browser that has our page's cookie."""
    elsewhere.page = "<!doctype html><title>elsewhere</title><body>"
    browser.open(f"http://{request.param}:{elsewhere.port}/")
    yield browser
    browser.open("about:blank")


def test_a_page_of_elsewhere_reads_nothing(foreign, gateway):
    base = f"http://{gateway.host}"
    for path in ("/", "/v1/status", "/v1/timeline", "/web/main.js"):
        with pytest.raises(AssertionError, match=r"(?i)fetch|network"):
            foreign.js(f"fetch('{base}{path}', {{credentials: 'include'}}).then(r => r.text())")
        status = foreign.js(
            f"fetch('{base}{path}', {{mode: 'no-cors', credentials: 'include'}})"
            ".then(r => r.type + r.status, e => 'refused')"
        )
        assert status in {"refused", "opaque0"}


def test_a_page_of_elsewhere_shows_no_picture_and_runs_no_script_of_ours(foreign, gateway):
    address = f"http://{gateway.host}/v1/images/1/thumbnail?size=64"
    assert not foreign.js(
        "new Promise(done => { const i = new Image(); i.onload = () => done(true);"
        f" i.onerror = () => done(false); i.src = '{address}'; }})"
    )
    assert not foreign.js(
        "new Promise(done => { const s = document.createElement('script');"
        " s.onload = () => done(true); s.onerror = () => done(false);"
        f" s.src = 'http://{gateway.host}/web/api.js'; document.body.append(s); }})"
    )


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
def test_a_page_of_elsewhere_writes_nothing(foreign, gateway, daemon, content_type):
    body = json.dumps({"ids": [1], "add": ["owned"]})
    foreign.js(
        f"fetch('http://{gateway.host}/v1/tags', {{method: 'POST', mode: 'no-cors',"
        f" credentials: 'include', headers: {{'Content-Type': '{content_type}'}},"
        f" body: {json.dumps(body)}}}).then(() => 1, () => 0)"
    )
    assert "owned" not in json.dumps(daemon.get("/v1/images/1"))


GOT = {  # ways to have something of ours; `base` is our page's origin
    "event stream": "new Promise(done => { const e = new EventSource(base + '/v1/events',"
    " {withCredentials: true}); e.onopen = () => done(true);"
    " e.onerror = () => { e.close(); done(false); }; })",
    "socket": "new Promise(done => { const s = new WebSocket(base.replace('http', 'ws') +"
    " '/v1/events'); s.onopen = () => done(true); s.onerror = () => done(false); })",
    "module": "import(base + '/web/api.js').then(() => true, () => false)",
    "worker": "new Promise(done => { const w = new Worker(base + '/web/main.js');"
    " w.onerror = () => done(false); w.onmessage = () => done(true); }).catch(() => false)",
    "service worker": "navigator.serviceWorker.register(base + '/web/main.js')"
    ".then(() => true, () => false)",
    "style sheet": "loads('link', {rel: 'stylesheet', href: base + '/web/page.css'})",
    "film": "loads('video', {src: base + '/v1/images/1/film', autoplay: true})",
    "object": "loads('object', {data: base + '/v1/images/1/original'})",
    "image in a canvas": "loads('img', {src: base + '/v1/images/1/thumbnail', crossOrigin: ''})",
}


@pytest.mark.parametrize("way", GOT)
def test_a_page_of_elsewhere_gets_nothing_in_other_ways(foreign, gateway, way):
    assert not foreign.js(
        f"""(async (base) => {{
            const loads = (name, fields) => new Promise(done => {{
                const one = Object.assign(document.createElement(name), fields);
                one.onload = one.onloadedmetadata = () => done(true);
                one.onerror = () => done(false);
                document.body.append(one); }});
            return {GOT[way]}; }})('http://{gateway.host}')"""
    )


def test_a_page_of_elsewhere_has_no_hold_of_a_window_of_ours(foreign, gateway):
    foreign.press("a")  # without somebody at it no window opens
    foreign.js(f"void (globalThis.ours = open('http://{gateway.host}/'))")
    foreign.until("ours.closed")  # to who opened it
    for opened in foreign.ask("browsingContext.getTree")["contexts"]:
        if opened["context"] != foreign.context:
            foreign.ask("browsingContext.close", context=opened["context"])


def test_a_page_without_an_origin_gets_and_writes_nothing(foreign, gateway, daemon):
    """A frame in a sandbox: its `Origin` is null."""
    script = (
        f"<script>const base = 'http://{gateway.host}';"
        " const told = (what) => parent.postMessage(what, '*');"
        " fetch(base + '/v1/status', { credentials: 'include' }).then(() => told('read'), () =>"
        " fetch(base + '/v1/tags', { method: 'POST', mode: 'no-cors',"
        " credentials: 'include', body: JSON.stringify({ ids: [1], add: ['owned'] }) })"
        ".then(() => told('sent'), () => told('refused')));</script>"
    )
    assert foreign.js(
        "new Promise(done => { addEventListener('message', (told) => done(told.data));"
        " const frame = document.createElement('iframe');"
        f" frame.sandbox = 'allow-scripts'; frame.srcdoc = {json.dumps(script)};"
        " document.body.append(frame); })"
    ) in {"sent", "refused"}
    assert "owned" not in json.dumps(daemon.get("/v1/images/1"))


def test_what_a_page_of_elsewhere_sends_on_leaving_writes_nothing(foreign, gateway, daemon):
    body = json.dumps(json.dumps({"ids": [1], "add": ["owned"]}))
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json"):
        foreign.js(
            f"navigator.sendBeacon('http://{gateway.host}/v1/tags',"
            f" new Blob([{body}], {{type: '{kind}'}}))"
        )
    foreign.js("new Promise(done => setTimeout(done, 300))")
    assert "owned" not in json.dumps(daemon.get("/v1/images/1"))


def test_a_form_of_elsewhere_writes_nothing(foreign, gateway, daemon):
    # the field's name and value make up JSON
    foreign.js(
        f"""(() => {{
            const form = document.createElement('form');
            form.method = 'post'; form.enctype = 'text/plain';
            form.action = 'http://{gateway.host}/v1/tags';
            const field = document.createElement('input');
            field.name = '{{"ids":[1],"add":["owned"],"remove":["';
            field.value = '"]}}';
            form.append(field); document.body.append(form); form.submit();
        }})()"""
    )
    foreign.until("location.href.includes('/v1/tags')")
    assert "owned" not in json.dumps(daemon.get("/v1/images/1"))


def test_a_page_of_elsewhere_cannot_frame_ours(foreign, gateway):
    foreign.js(
        "new Promise(done => { const f = document.createElement('iframe');"
        f" f.onload = f.onerror = () => done(1); f.src = 'http://{gateway.host}/';"
        " document.body.append(f); setTimeout(() => done(0), 3000); })"
    )
    tree = foreign.ask("browsingContext.getTree", root=foreign.context)
    (frame,) = tree["contexts"][0]["children"]
    seen = foreign.js("document.body?.innerHTML ?? ''", context=frame["context"])
    assert "grid" not in seen


def test_a_link_of_elsewhere_leads_to_nothing(foreign, gateway):
    foreign.js(f"void (location.href = 'http://{gateway.host}/')")
    foreign.until(f"location.host === '{gateway.host}'")
    assert not foreign.js("document.querySelector('#grid')")


def test_another_port_is_not_sent_the_cookie(browser, gateway, elsewhere):
    for host in ("127.0.0.1", "localhost", "other.localhost"):
        browser.open(f"http://{host}:{elsewhere.port}/")
    assert elsewhere.heads
    assert NOTHING not in json.dumps([head.get("Cookie", "") for head in elsewhere.heads])


def test_an_address_lets_in_once(page, gateway):
    page.open(gateway.address)
    assert "used before" in page.text()


def test_a_person_without_the_cookie_is_told_in_words(browser, alone):
    for host in (alone.host, f"localhost:{alone.port}"):
        browser.open(f"http://{host}/")
        assert "{" not in browser.text()
    assert "not the address" in browser.text()
    browser.open(f"http://{alone.host}/")
    assert "Open the page again with `" in browser.text()


def test_nothing_but_the_gateway_is_asked(kind, daemon):
    # a browser of its own: others still ask for icons of the pages that they were at
    browser, gateway = Browser(kind), None
    try:
        gateway = Gateway(daemon)
        browser.open(gateway.address)
        browser.until("document.querySelector('.cell.shown')")
        browser.press("/")
        browser.press("a cat", "Enter")
        browser.until("/found|nearest/.test(document.querySelector('.count').textContent)")
        asked = [url for url in browser.requested if not url.startswith(("about:", "blob:"))]
        assert asked
        assert [url for url in asked if not url.startswith(f"http://{gateway.host}/")] == []
    finally:
        browser.close()
        if gateway:
            gateway.close()


def raw(gateway, method="GET", path="/", body=None, **headers):
    """Ask as a program on this machine does, with any head it likes."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=DEADLINE_S)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    response = connection.getresponse()
    answer = response.status, response.headers, response.read()
    connection.close()
    return answer


OWN = {"Sec_Fetch_Site": "same-origin", "Sec_Fetch_Mode": "cors", "Sec_Fetch_Dest": "empty"}
TYPED = {"Sec_Fetch_Site": "none", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}


@pytest.fixture(scope="module")
def alone(daemon):
    """A gateway that no browser knows."""
    gateway = Gateway(daemon)
    yield gateway
    gateway.close()


@pytest.fixture(scope="module")
def cookie(alone):
    """The cookie that the gateway gives for its token."""
    path = "/" + alone.address.partition("/enter")[1][1:] + alone.address.partition("/enter")[2]
    status, headers, _ = raw(alone, path=path, Host=alone.host, **TYPED)
    assert status == 200
    assert "HttpOnly" in headers["Set-Cookie"]
    assert "SameSite=Strict" in headers["Set-Cookie"]
    return headers["Set-Cookie"].partition(";")[0]


@pytest.mark.parametrize("host", ["localhost", "evil.example", "", "127.0.0.1.evil.example"])
def test_another_host_is_misdirected(alone, cookie, host):
    for name in (f"{host}:{alone.port}", host):
        status, _, _ = raw(alone, Host=name, Cookie=cookie, **OWN)
        assert status == 421


@pytest.mark.parametrize(
    "form",
    ["{0}.:{1}", "{0}@evil.example:{1}", "evil@{0}:{1}", "[::1]:{1}", "{0}:0{1}", "{0}:{1}/"],
)
def test_the_host_has_one_form(alone, cookie, form):
    name, _, port = alone.host.partition(":")
    assert raw(alone, Host=form.format(name, port), Cookie=cookie, **OWN)[0] in {400, 421}
    assert raw(alone, Host=form.format("127.0.0.1", port), Cookie=cookie, **OWN)[0] in {400, 421}


def answers(gateway, *requests):
    """Return the statuses of what is answered to requests that come at once, until it hangs up."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=DEADLINE_S) as connection:
        connection.sendall(b"".join(requests))
        with connection.makefile("rb") as stream:
            return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d+) ", stream.read())]


def test_each_request_of_a_connection_is_judged(alone, cookie):
    own = "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\n"
    head = f"GET /v1/health HTTP/1.1\r\nHost: {alone.host}\r\n{own}"
    let_in = f"{head}Cookie: {cookie}\r\n\r\n".encode()
    last = f"{head}Connection: close\r\n\r\n".encode()
    assert answers(alone, let_in, let_in, last) == [200, 200, 401]


@pytest.mark.parametrize(
    "lengths",
    [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 4\r\nContent-Length: 90\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
    ],
)
def test_a_body_with_two_ends_is_refused(alone, cookie, lengths):
    own = "Sec-Fetch-Site: same-origin\r\nContent-Type: application/json\r\n"
    head = f"Host: {alone.host}\r\n{own}Origin: http://{alone.host}\r\nCookie: {cookie}\r\n"
    hidden = f"GET /v1/health HTTP/1.1\r\n{head}\r\n"
    told = f"POST /v1/retry HTTP/1.1\r\n{head}{lengths}\r\n0\r\n\r\n{hidden}"
    (status,) = answers(alone, told.encode())
    assert status == 400


def test_two_hosts_are_misdirected(alone, cookie):
    connection = http.client.HTTPConnection("127.0.0.1", alone.port, timeout=DEADLINE_S)
    connection.putrequest("GET", "/", skip_host=True)
    connection.putheader("Host", alone.host)
    connection.putheader("Host", "evil.example")
    connection.endheaders()
    assert connection.getresponse().status in {400, 421}
    connection.close()


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", None])
def test_other_sites_are_refused(alone, cookie, site):
    head = {**OWN, "Sec_Fetch_Site": site} if site else {}
    status, _, _ = raw(alone, path="/v1/status", Host=alone.host, Cookie=cookie, **head)
    assert status == 403


def test_other_sites_cannot_tell_what_there_is(alone, cookie):
    paths = ("/v1/images/1/thumbnail", "/v1/images/999999/original", "/v1/none", "/none", "/")
    for mode in ("no-cors", "navigate"):
        head = {**OWN, "Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": mode}
        answers = set()
        for path in paths:
            status, headers, body = raw(alone, path=path, Host=alone.host, Cookie=cookie, **head)
            del headers["Date"]
            answers.add((status, str(headers), body))
        assert len(answers) == 1


def test_no_cookie_no_answer(alone):
    for cookie in ("", "imgvec=", "imgvec=x", "imgvec=é"):
        head = {**OWN, "Cookie": cookie.encode("utf-8").decode("latin-1")}
        assert raw(alone, path="/v1/status", Host=alone.host, **head)[0] == 401


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ({}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "multipart/form-data; boundary=b"}, 415),
    ],
)
def test_writes_need_our_origin_and_json(alone, cookie, head, status):
    own = {**OWN, "Origin": f"http://{alone.host}", "Content_Type": "application/json"}
    head = {**own, **head} if head else {**own, "Origin": ""}
    answer = raw(
        alone,
        "POST",
        "/v1/tags",
        b'{"ids":[1],"add":["x"]}',
        Host=alone.host,
        Cookie=cookie,
        **head,
    )
    assert answer[0] == status


@pytest.mark.parametrize(
    "body",
    [
        {"image": {"path": "/etc/passwd"}},
        {"terms": [{"text": "a"}, {"path_base64": "L2V0Yy9wYXNzd2Q="}]},
        {"terms": [{"url": "http://127.0.0.1/"}]},
        {"image": {"url": "file:///etc/passwd"}},
    ],
)
@pytest.mark.parametrize("path", ["/v1/search", "/v1/search/live"])
def test_no_search_names_a_file_or_an_address(alone, cookie, path, body):
    own = {**OWN, "Origin": f"http://{alone.host}", "Content_Type": "application/json"}
    data = json.dumps(body).encode()
    status, _, answer = raw(alone, "POST", path, data, Host=alone.host, Cookie=cookie, **own)
    assert status == 403, answer


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/search?path=/etc/passwd"),
        ("POST", "/v1/search/batch"),
        ("POST", "/v1/rebuild"),
        ("POST", "/v1/rescan"),
        ("POST", "/v1/duplicates/check"),
        ("PUT", "/v1/saved/x"),
        ("DELETE", "/v1/saved/x"),
        ("GET", "/v1/metrics"),
        ("GET", "/v1/images/1/../../metrics"),
        ("GET", "/v1/images/%31"),
        ("GET", "/web/../pyproject.toml"),
        ("GET", "/web/..%2f..%2fpyproject.toml"),
        ("GET", "/web/vendor/LICENSE.photoswipe"),
    ],
)
def test_what_is_not_on_the_list_is_not_there(alone, cookie, method, path):
    own = {**OWN, "Origin": f"http://{alone.host}", "Content_Type": "application/json"}
    body = b"{}" if method != "GET" else None
    status, _, _ = raw(alone, method, path, body, Host=alone.host, Cookie=cookie, **own)
    assert status in {403, 404}


def test_every_answer_says_what_it_may_be_used_for(alone, cookie):
    answers = [
        raw(alone, path=path, Host=alone.host, Cookie=cookie, **OWN)[1]
        for path in ("/", "/web/main.js", "/v1/status", "/v1/images/1/thumbnail", "/v1/none")
    ]
    answers.append(raw(alone, Host="evil.example")[1])
    for headers in answers:
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "Access-Control-Allow-Origin" not in headers
