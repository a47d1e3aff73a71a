"""What a client can do to a daemon: `python attacks.py NAME SOCKET PORT SECONDS [UID GID]`.

Runs as a process of its own, of another user if need be; says "begun" once it is at it.
With $HEAD, lines that each request bears (token, cookie), it comes by TCP; with $TLS, by that.
What posts to the daemon's searches posts to $ASKED instead.
"""

import base64
import contextlib
import http.client
import json
import os
import socket
import ssl
import sys
import threading
import time
import urllib.parse
import zlib

NAME, SOCKET, PORT, SECONDS = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
END = time.monotonic() + SECONDS
TCP = "HEAD" in os.environ
HOST = os.environ.get("HEAD", "Host: x\r\n")
ASKED = os.environ.get("ASKED", "/v1/search")
TLS = ssl.create_default_context() if os.environ.get("TLS") else None
POST = f"POST {ASKED} HTTP/1.1\r\n{HOST}".encode()
BOUNDARY = POST + b"Content-Type: multipart/form-data; boundary=b\r\n"
CHUNKED = POST + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
JSON = "Content-Type: application/json\r\n"
TEXT_PART = b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\ncat\r\n--b--\r\n'


def begun():
    os.write(1, b"begun\n")  # in one piece, whoever else does so at the moment


def connect(tcp=TCP):
    client = socket.socket(socket.AF_INET if tcp else socket.AF_UNIX)
    if tcp:
        client.settimeout(2)  # where nobody is accepted any more
    client.connect(
        ("127.0.0.1", PORT) if tcp else SOCKET
    )  # it waits while the kernel's queue is full
    client.settimeout(30)
    if tcp and TLS is not None:
        return TLS.wrap_socket(client)
    return client


def send(data, tcp=TCP):
    """Send bytes as they are; return the beginning of the answer, if there is one."""
    with contextlib.suppress(OSError), connect(tcp) as client:
        client.sendall(data)
        return client.recv(65536)
    return b""


def form(body):
    return send(BOUNDARY + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def ask(method, path, body=b"", headers=JSON):
    head = f"{method} {path} HTTP/1.1\r\n{HOST}{headers}Content-Length: {len(body)}\r\n\r\n"
    return send(head.encode() + body)


def get(path, headers=""):
    return f"GET {path} HTTP/1.1\r\n{HOST}{headers}\r\n".encode()


def over_and_over(*deeds, threads=4):
    """Do it until the time is over, in a few threads."""

    def work():
        while time.monotonic() < END:
            for deed in deeds:
                deed()

    running = [threading.Thread(target=work) for _ in range(threads)]
    for thread in running:
        thread.start()
    begun()
    for thread in running:
        thread.join()


def hold(count, data=b"", tcp=TCP):
    """Keep connections open, after sending something on each; once one is lost, take another."""
    hold_each(count, lambda _: data, tcp)


def hold_each(count, data, tcp=TCP):
    held = []
    told = False
    while time.monotonic() < END:
        held = [client for client in held if not ended(client)]
        while len(held) < count and time.monotonic() < END:
            try:
                client = connect(tcp)
                client.sendall(data(len(held)))
            except OSError:
                break
            held.append(client)
        if not told:
            begun()
            told = True
        time.sleep(0.1)


def ended(client):
    client.setblocking(False)
    try:
        return client.recv(65536) == b""
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True


def drip(count, start, byte, pause_s):
    """Send what never ends, a byte at a time, on many connections; they stay if refused."""
    held = []
    begun()
    while time.monotonic() < END:
        while len(held) < count:
            try:
                held.append(connect())
                held[-1].sendall(start)
            except OSError:
                break
        for client in list(held):
            try:
                client.sendall(byte)
            except OSError:
                held.remove(client)
        time.sleep(pause_s)


def globs():
    for stars in ("*a" * 8 + "*b", "**a" * 8 + "b", "**/" * 20 + "x", "*[!b]" * 20 + "b" * 9):
        filters = urllib.parse.quote(json.dumps({"glob": stars + str(time.monotonic_ns())}))
        ask("GET", f"/v1/images?filters={filters}")


def filters(count):
    body = {"text": "x", "filters": {"tags": [f"tag {i}" for i in range(count)]}}
    ask("POST", ASKED, json.dumps(body).encode())


def pipelined(line, count=200):
    """Send many requests ahead of their answers; a `#` in the line is another number in each."""
    head = "".join(
        f"GET {line} HTTP/1.1\r\n{HOST}\r\n".replace("#", f"{time.monotonic_ns()}{i}")
        for i in range(count)
    )
    with contextlib.suppress(OSError), connect() as client:
        client.sendall(head.encode())
        while len(client.recv(65536)) > 0:
            pass


def batches():
    texts = [{"text": f"x {time.monotonic_ns()} {i}", "limit": 100} for i in range(64)]
    ask("POST", "/v1/search/batch", json.dumps({"searches": texts}).encode())


def standing_while_pictures_come():
    """Hold standing searches, each another one, while new pictures come all the time."""
    hold_many = [lambda n=n: hold_each(32, live(n)) for n in range(3)]
    both(*hold_many, pictures_come)


def live(number):
    return lambda i: (
        f"GET /v1/search/live?text=x+{number}+{i}&all=true HTTP/1.1\r\n{HOST}\r\n"
    ).encode()


def pictures_come():
    """Put one picture after the other into a folder that is watched."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = connect()
    connection.request("GET", "/v1/status")
    root = json.load(connection.getresponse())["roots"][0]["path"]
    while time.monotonic() < END:
        with open(f"{root}/new-{time.monotonic_ns()}.ppm", "wb") as file:
            file.write(b"P6 64 64 255\n" + os.urandom(3 * 64 * 64))
        time.sleep(0.5)


def large_pages():
    number = time.monotonic_ns() % 10**9 / 10**10 - 1
    body = {"text": "x", "all": True, "limit": 1000, "min_score": number}
    ask("POST", ASKED, json.dumps({**body, "order": "newest"}).encode())
    ask("POST", ASKED, json.dumps({**body, "group": "near-duplicates"}).encode())


def notes():
    for image in range(1, 40):
        said = json.dumps({"note": f"{time.monotonic_ns()}"}).encode()
        ask("PATCH", f"/v1/images/{image}/metadata", said)


def saved_searches():
    name = f"s{time.monotonic_ns() % 50}"
    ask("PUT", f"/v1/saved/{name}", b'{"text": "%s"}' % (b"x" * 10_000))
    ask("GET", f"/v1/saved/{name}")


def pictures_in_forms():
    head = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
    form(head + b"\xff\xd8\xff\xe0" + os.urandom(3_000_000) + b"\r\n" + TEXT_PART)


def half_a_head():
    with contextlib.suppress(OSError), connect() as client:
        client.sendall(POST[:20])


def impatient():
    """Connect, and where there is no place in the kernel's queue, try again at once."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        client.connect(SOCKET)
        client.sendall(POST[:20])


def cursors():
    not_a_number = b"\xcb\x7f\xf8" + bytes(6)
    for made in (b"\xff" * 900, b"\x94\xa1x\x00\x93" + not_a_number, b"\x94" * 900):
        cursor = base64.urlsafe_b64encode(made).decode()
        ask("GET", f"/v1/search?text=x&cursor={cursor}")


def originals():
    """Take files in ranges, whole, and only their beginnings."""
    ranges = ",".join(f"{n}-{n}" for n in range(0, 1600, 2))
    for image in range(1, 30):
        send(get(f"/v1/images/{image}/original"))
        send(get(f"/v1/images/{image}/original", f"Range: bytes={ranges}\r\n"))
        send(get(f"/v1/images/{image}/original", "Range: bytes=-1\r\n"))


def browsing():
    """Ask for all that the page shows, each with filters of its own."""
    for n in range(8):
        odd = {"camera": f"{time.monotonic_ns()}", "taken": "summer 2023", "glob": "*a*" * n}
        filters = urllib.parse.quote(json.dumps({"none_of": [odd], "any_of": [odd, {}]}))
        ask("GET", f"/v1/timeline?filters={filters}")
        ask("GET", f"/v1/timeline/2023-07?filters={filters}")
        for order in ("newest", "oldest", "path"):
            ask("GET", f"/v1/images?order={order}&limit=1000&filters={filters}")
        for kind in ("camera", "tag", "person", "folder", "place", "favorite"):
            ask("GET", f"/v1/facets?kind={kind}&limit=1000&contains={n}")
        ask("GET", f"/v1/positions?columns=64&south=-{n}&west={n}&east=-{n}")
        lookup = json.dumps({"ids": list(range(1, 1001))}).encode()
        ask("POST", "/v1/images/lookup", lookup)
        ask("GET", "/v1/changes?limit=10000")


def thumbnails():
    number = time.monotonic_ns() % 60 + 1
    for size in (4096, 2048, 64):
        ask("GET", f"/v1/images/{number}/thumbnail?size={size}")


def long_documents():
    for path in ("openapi.json", "metrics", "stats", "status", "failures", "saved"):
        ask("GET", f"/v1/{path}")


def bomb(name):
    """Return a small file that unfolds into far more than there is room for."""
    zeros = zlib.compress(bytes(100_000_000), 9)

    def chunk(kind, data):
        check = zlib.crc32(kind + data)
        return len(data).to_bytes(4, "big") + kind + data + check.to_bytes(4, "big")

    if name == "png":
        head = (13_000).to_bytes(4, "big") * 2 + b"\x08\x00\x00\x00\x00"
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zeros)
    if name == "texts":  # of a picture that is whole
        head = (1).to_bytes(4, "big") * 2 + b"\x08\x00\x00\x00\x00"
        texts = b"".join(chunk(b"zTXt", b"%d\0\0" % n + zeros) for n in range(20))
        pixel = chunk(b"IDAT", zlib.compress(bytes(2)))
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + texts + pixel + chunk(b"IEND", b"")
    if name == "gif":  # a hundred thousand frames
        frame = b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0"
        head = b"GIF89a\xff\xff\xff\xff\x80\0\0\0\0\0\xff\xff\xff"
        return head + frame * 100_000 + b";"
    if name == "tiff":  # a hundred thousand pages, each of the same four gigapixels
        fields = ((256, 65_535), (257, 65_535), (258, 8), (259, 1), (262, 1), (273, 8), (279, 9))
        entries = b"".join(
            tag.to_bytes(2, "little") + b"\x04\0\x01\0\0\0" + value.to_bytes(4, "little")
            for tag, value in fields
        )
        length = 2 + len(entries) + 4
        pages = (
            len(fields).to_bytes(2, "little") + entries + (8 + length * page).to_bytes(4, "little")
            for page in range(1, 100_001)
        )
        return b"II*\0\x08\0\0\0" + b"".join(pages)
    entities = b"".join(b"<!ENTITY a%d '%s'>" % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 30))
    packet = b"<?xpacket begin=''?><!DOCTYPE x [<!ENTITY a0 'x'>" + entities + b"]><x>&a29;</x>"
    said = b"http://ns.adobe.com/xap/1.0/\0" + packet
    return b"\xff\xd8\xff\xe1" + (len(said) + 2).to_bytes(2, "big") + said + b"\xff\xd9"


def bombs():
    """Search by pictures that unfold without end, several at once."""
    deeds = []
    for name in ("png", "texts", "gif", "tiff", "entities"):
        data = bomb(name)
        plain = base64.b64encode(data)
        deeds += [
            lambda data=data: ask("POST", ASKED, data, "Content-Type: image/png\r\n"),
            lambda plain=plain: ask("POST", ASKED, b'{"image": {"data": "%s"}}' % plain),
        ]
    over_and_over(*deeds)


def slow_picture():
    """Return a progressive JPEG of 200 megapixels in 60 kB: each scan goes over all of them."""

    def segment(kind, data):
        return bytes([255, kind]) + (len(data) + 2).to_bytes(2, "big") + data

    side = (14_000).to_bytes(2, "big")
    code = b"\x01" + bytes(15) + b"\0"  # one bit, for nothing
    tables = segment(0xDB, b"\0" + b"\x01" * 64)
    tables += segment(0xC2, b"\x08" + side * 2 + b"\x01\x01\x11\0")
    tables += segment(0xC4, b"\0" + code) + segment(0xC4, b"\x10" + code)
    first = segment(0xDA, b"\x01\x01\0\0\0\0") + bytes(20)
    scan = segment(0xDA, b"\x01\x01\0\x01\x3f\0") + bytes(20)
    return b"\xff\xd8" + tables + first + scan * 2000 + b"\xff\xd9"


def slow_pictures():
    picture = slow_picture()
    over_and_over(lambda: ask("POST", ASKED, picture, "Content-Type: image/jpeg\r\n"), threads=16)


def marks():
    """Name paths, words and tags of letters with marks without end."""
    text = "e" + "\u0301\u0323" * 4000
    for name in ("path", "folder", "root"):
        body = {"text": "x", "filters": {name: f"/{text * 40}"}}
        ask("POST", ASKED, json.dumps(body, ensure_ascii=False).encode())
    tags = [f"{text[:4000]}{n}" for n in range(100)]
    body = {"text": text, "filters": {"tags": tags}}
    ask("POST", ASKED, json.dumps(body, ensure_ascii=False).encode())


def much_to_understand():
    """Search for texts of which each few words may tell a time, a place, or what is not meant."""
    for words in (
        "x\u00a0",
        "1 may ",
        "in Paris, ",
        "moutan ",
        "without not ",
        "\u6708\u5e74",
        "a/",
    ):
        text = (f"{time.monotonic_ns()} " + words * 250)[:499]
        ask("POST", ASKED, json.dumps({"text": text}).encode())


def deep_filters():
    for inner in ({"tags": ["x"] * 100}, {"glob": "**/" * 20}, {"near": [0, 0, 20_000]}):
        within = {"any_of": [inner] * 12, "none_of": [{"any_of": [inner] * 12}] * 2}
        body = json.dumps({"text": f"x {time.monotonic_ns()}", "filters": within}).encode()
        ask("POST", ASKED, body)
        nested = b'{"filters":' + b'{"any_of":[' * 2000 + b"]}" * 2000 + b"}"
        ask("POST", ASKED, nested)


def many_terms():
    terms = [{"text": f"x {time.monotonic_ns()} {n}", "weight": 1} for n in range(64)]
    ask("POST", ASKED, json.dumps({"terms": terms}).encode())
    labels = [f"l {time.monotonic_ns()} {n}" for n in range(1000)]
    ask("POST", "/v1/classify", json.dumps({"labels": labels}).encode())


def standing_with_many_terms():
    def request(number):
        terms = [{"text": f"x {time.monotonic_ns()} {n}"} for n in range(64)]
        body = json.dumps({"terms": terms, "limit": 1000}).encode()
        head = f"POST /v1/search/live HTTP/1.1\r\n{HOST}{JSON}Content-Length: {len(body)}\r\n\r\n"
        return head.encode() + body

    hold_each(32, request)


def odd_heads():
    for head in (
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n",
        "Expect: 100-continue\r\nContent-Length: 50000000\r\n",
        "Range: bytes=" + ",".join(f"{n}-" for n in range(1500)) + "\r\n",
        "Cookie: " + "a=b; " * 1500 + "\r\n",
    ):
        send(get("/v1/status", head))
    send(get("/v1/search?text=" + "x" * 8000))
    send(get("/v1/images?filters=" + "%7B" * 2600))
    ask("PUT", "/v1/saved/" + "%C3%A4" * 1300, b'{"text": "x"}')
    ask("PATCH", "/v1/images/1/metadata", b'{"%s": 1}' % (b"k" * 10_000_000))
    ask("POST", ASKED, b'{"text": "x", ' * 1 + b'"text": "x", ' * 40_000 + b'"limit": 1}')


def plans():
    ask("POST", "/v1/duplicates/plan", b"{}")
    ask("POST", "/v1/duplicates", b'{"limit": 1, "kinds": ["similar"], "min_similarity": 0.5}')
    ask("POST", "/v1/duplicates/check", json.dumps({"ids": list(range(1, 60))}).encode())
    ask("POST", "/v1/duplicates/apply", b'{"plan": "%s"}' % (b"trash\\t1\\n" * 300_000))
    ask("POST", "/v1/duplicates/undo", b"{}")


def upkeep():
    for path in ("rescan", "retry", "checkpoint", "rebuild", "pause", "resume", "forget"):
        ask("POST", f"/v1/{path}", b"{}")
    ask("POST", "/v1/sync", b'{"timeout_s": 1}')


def heads_and_options():
    for method in ("HEAD", "OPTIONS", "TRACE"):
        for path in (
            "/v1/images?limit=1000",
            "/v1/images/1/original",
            "/v1/search?text=x",
            "/v1/*",
        ):
            ask(method, path)


def trailers():
    rest = b"".join(b"X-%d: %s\r\n" % (n, b"y" * 4000) for n in range(2000))
    send(CHUNKED + b"2\r\n{}\r\n0\r\n" + rest + b"\r\n")


def names_of_heads():
    send(POST + b"".join(b"X%d%s: y\r\n" % (n, b"z" * 8000) for n in range(200)) + b"\r\n")
    send(POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}")
    send(POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}")


def cursors_of_others():
    """Go on, from a page of one search, with a thousand others."""
    answer = ask("GET", "/v1/search?text=x&all=true&limit=1").partition(b'"next_cursor":"')[2]
    cursor = answer.partition(b'"')[0].decode()
    for n in range(100):
        ask("GET", f"/v1/search?text=x+{n}&all=true&limit=1&cursor={cursor}")
        ask("GET", f"/v1/images?order=newest&limit=1&cursor={cursor}")


def much_said():
    """Say as much of images as may be said, each time something else."""
    now = time.monotonic_ns()
    ids = list(range(1, 60))
    tags = [f"{now} {n}" for n in range(100)]
    ask("POST", "/v1/tags", json.dumps({"ids": ids, "add": tags}).encode())
    said = json.dumps({f"k{n}": f"{now}" * 50 for n in range(100)}).encode()
    for image in ids:
        ask("PATCH", f"/v1/images/{image}/metadata", said)


def searches_saved_by_the_thousand():
    ask("PUT", f"/v1/saved/s{time.monotonic_ns()}", b'{"text": "%s"}' % (b"x" * 1000))
    ask("GET", "/v1/saved")


def client_hello():
    """Return what a client says first to shake hands."""
    outgoing = ssl.MemoryBIO()
    shaking = TLS.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        shaking.do_handshake()
    return outgoing.read()


def hold_handshakes(hello):
    """Keep connections open that have begun to shake hands, and never end it."""
    held = []
    begun()
    while time.monotonic() < END:
        held = [client for client in held if not ended(client)]
        while len(held) < 300 and time.monotonic() < END:
            try:
                client = socket.create_connection(("127.0.0.1", PORT), timeout=2)
                client.sendall(hello())
            except OSError:
                break
            held.append(client)
        time.sleep(0.05)


def raw(data, tail=b"", pause_s=0.0):
    """Send bytes where TLS is spoken, and wait for what comes."""
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", PORT), timeout=5) as client,
    ):
        client.sendall(data)
        time.sleep(pause_s)
        client.sendall(tail)
        while client.recv(65536):
            pass


def handshake_of_bytes():
    """Shake hands a byte at a time."""
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", PORT), timeout=30) as client,
    ):
        for byte in client_hello():
            client.sendall(bytes([byte]))
            time.sleep(0.002)
        client.recv(65536)


def records_of_a_byte():
    """Send a request of which each byte is a record of its own, and never say goodbye."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    shaking = TLS.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", PORT), timeout=30) as client,
    ):
        while True:
            try:
                shaking.do_handshake()
                break
            except ssl.SSLWantReadError:
                client.sendall(outgoing.read())
                incoming.write(client.recv(65536))
        for byte in CHUNKED + b"1\r\n \r\n" * 50_000:
            shaking.write(bytes([byte]))
        client.sendall(outgoing.read())
        client.recv(65536)


def gone_without_goodbye():
    with contextlib.suppress(OSError):
        client = connect()
        client.sendall(get("/v1/status"))
        os.close(client.detach())


def old_tls():
    """Ask for the oldest versions that there are, by records made by hand."""
    hello = client_hello()
    for version in (b"\x03\x00", b"\x03\x01", b"\x7f\x16", b"\x00\x00"):
        raw(hello[:1] + version + hello[3:9] + version + hello[11:])
    raw(b"\x80\x2e\x01\x00\x02" + bytes(44))  # of SSL 2
    raw(b"\x15\x03\x03\x00\x02\x01\x00" * 1000)  # alerts
    raw(b"\x14\x03\x03\x00\x01\x01" * 1000)  # changes of the cipher
    raw(b"\x16\x03\x01\x40\x00" + b"\x01\xff\xff\xff" + bytes(16380))  # a hello of 16 MB
    raw(POST + b"\r\n")


UNREAD = get("/v1/images/1/original") * 50


def both(*tasks):
    """Do several things in processes of their own: two clients, as far as anybody can tell."""
    children = []
    for task in tasks:
        child = os.fork()
        if child == 0:
            with contextlib.suppress(Exception):
                task()
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


STREAM = get("/v1/events")
LIVE = get("/v1/search/live?text=x")
LINES = get("/v1/images", "Accept: application/x-ndjson\r\n")
STALLED = BOUNDARY + b"Content-Length: 1000000\r\n\r\n--b"
ATTACKS = {
    "line breaks before a form": lambda: over_and_over(lambda: form(b"\n" * 5_000_000 + TEXT_PART)),
    "many tiny parts": lambda: over_and_over(
        lambda: form(b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n\r\n' * 100_000)
    ),
    "huge heads of parts": lambda: over_and_over(
        lambda: form(b"--b\r\n" + b"X: y\r\n" * 1_000_000 + TEXT_PART)
    ),
    "a boundary that never comes": lambda: over_and_over(
        lambda: form(b"\r\n--" * 2_000_000), lambda: form(b"--b\r\n" + b"\r\n--a" * 2_000_000)
    ),
    "huge JSON": lambda: over_and_over(
        lambda: ask("POST", ASKED, b'{"terms": [' + b'{"text": "x"},' * 1_000_000 + b"0]}"),
        lambda: ask("POST", ASKED, b'{"a": ' * 1_000_000),
        lambda: ask("POST", "/v1/search/batch", b"[" * 5_000_000),
        lambda: ask("POST", ASKED, b'{"limit": ' + b"1" * 5_000_000 + b"}"),
    ),
    "large pictures": lambda: over_and_over(
        lambda: ask("POST", ASKED, b'{"image": {"data": "' + b"A" * 40_000_000 + b'"}}'),
        lambda: ask("POST", ASKED, b"\xff" * 40_000_000, "Content-Type: image/jpeg\r\n"),
    ),
    "chunks of a byte": lambda: over_and_over(lambda: send(CHUNKED + b"1\r\n \r\n" * 500_000)),
    "thousands of filters": lambda: over_and_over(lambda: filters(100), lambda: filters(5000)),
    "globs": lambda: over_and_over(globs),
    "cursors": lambda: over_and_over(cursors),
    "doctors": lambda: over_and_over(lambda: ask("POST", "/v1/doctor", b"{}"), threads=12),
    "duplicates": lambda: over_and_over(lambda: ask("POST", "/v1/duplicates", b"{}"), threads=12),
    "event streams": lambda: both(*[lambda: hold(128, STREAM)] * 2),
    "standing searches": lambda: both(*[lambda: hold(128, LIVE)] * 2),
    "standing searches while pictures come": standing_while_pictures_come,
    "lines that nobody reads": lambda: hold(200, LINES * 20),
    "idle connections": lambda: hold(800),
    "bodies that stall": lambda: hold(300, STALLED),
    "heads that drip": lambda: drip(300, get("/v1/health")[:-2] + b"X: ", b"y", 0.2),
    "a storm of connections": lambda: over_and_over(lambda: connect().close(), threads=8),
    "chunks with extensions": lambda: over_and_over(
        lambda: send(CHUNKED + (b"1;" + b"a=b;" * 1000 + b"\r\n \r\n") * 1500)
    ),
    "heads at their limits": lambda: over_and_over(
        lambda: send(POST + b"".join(b"X%d: %s\r\n" % (i, b"y" * 8000) for i in range(99)))
    ),
    "compressed bodies": lambda: over_and_over(
        lambda: ask(
            "POST",
            ASKED,
            zlib.compress(b" " * 50_000_000),
            JSON + "Content-Encoding: deflate\r\n",
        )
    ),
    "searches sent ahead": lambda: over_and_over(
        lambda: pipelined("/v1/search?text=x&min_score=-0.#")
    ),
    "lists sent ahead": lambda: over_and_over(lambda: pipelined("/v1/images?limit=1000&after=0")),
    "refusals sent ahead": lambda: over_and_over(lambda: pipelined("/v1/images?limit=#")),
    "batches": lambda: over_and_over(batches),
    "large pages": lambda: over_and_over(large_pages),
    "notes": lambda: over_and_over(notes),
    "saved searches": lambda: over_and_over(saved_searches),
    "pictures in forms": lambda: over_and_over(pictures_in_forms),
    "slow bodies": lambda: drip(
        120, POST + JSON.encode() + b"Content-Length: 50000\r\n\r\n", b" ", 0.05
    ),
    "half heads": lambda: over_and_over(half_a_head, threads=8),
    "connections that do not wait": lambda: over_and_over(impatient, threads=8),
    "rubbish": lambda: over_and_over(lambda: send(os.urandom(4096)), threads=4),
    "TCP without the token": lambda: over_and_over(
        lambda: send(b"GET /v1/search?text=x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", tcp=True),
        threads=8,
    ),
    "originals": lambda: over_and_over(originals),
    "originals that nobody reads": lambda: hold(200, UNREAD),
    "browsing": lambda: over_and_over(browsing),
    "thumbnails": lambda: over_and_over(thumbnails),
    "long documents": lambda: over_and_over(long_documents),
    "bombs": bombs,
    "slow pictures": slow_pictures,
    "marks": lambda: over_and_over(marks),
    "much to understand": lambda: over_and_over(much_to_understand),
    "deep filters": lambda: over_and_over(deep_filters),
    "many terms": lambda: over_and_over(many_terms),
    "standing searches with many terms": standing_with_many_terms,
    "odd heads": lambda: over_and_over(odd_heads),
    "HEAD and OPTIONS": lambda: over_and_over(heads_and_options),
    "trailers": lambda: over_and_over(trailers),
    "names of heads": lambda: over_and_over(names_of_heads),
    "cursors of others": lambda: over_and_over(cursors_of_others),
    "much said": lambda: over_and_over(much_said),
    "searches saved by the thousand": lambda: over_and_over(searches_saved_by_the_thousand),
    "continued never": lambda: hold(
        200, POST + b"Expect: 100-continue\r\nContent-Length: 50000\r\n\r\n"
    ),
    "plans": lambda: over_and_over(plans),
    "upkeep": lambda: over_and_over(upkeep),
    "chunks without end": lambda: drip(120, CHUNKED, b"1\r\n \r\n", 0.01),
    "idle TCP connections": lambda: hold(800, tcp=True),
}

if TLS is not None:
    TLS.check_hostname, TLS.verify_mode = False, ssl.CERT_NONE
    ATTACKS |= {
        "handshakes that are never begun": lambda: hold_handshakes(bytes),
        "handshakes that never end": lambda: hold_handshakes(client_hello),
        "half handshakes": lambda: hold_handshakes(lambda: client_hello()[:50]),
        "handshakes over and over": lambda: over_and_over(lambda: connect().close(), threads=8),
        "handshakes of bytes": lambda: over_and_over(handshake_of_bytes, threads=16),
        "records of a byte": lambda: over_and_over(records_of_a_byte),
        "old versions of TLS": lambda: over_and_over(old_tls),
        "gone without goodbye": lambda: over_and_over(gone_without_goodbye, threads=8),
    }

if __name__ == "__main__":
    if NAME == "list":
        print("\n".join(ATTACKS))
    else:
        if len(sys.argv) > 5:
            os.setgroups([])
            os.setgid(int(sys.argv[6]))
            os.setuid(int(sys.argv[5]))
        with contextlib.suppress(ConnectionError):
            ATTACKS[NAME]()
