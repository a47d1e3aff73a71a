"""`imgvec` as a process: what it asks, what it prints, how it ends."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading

import msgspec
import pytest
import terminals
from running import DEADLINE_S
from wcwidth import wcswidth

from imgvecd import api
from imgvecd.client.http_connection import DaemonConnection
from imgvecd.client.output import shortened

FORBIDDEN = ("numpy", "torch", "faiss", "aiohttp", "yaml", "tabulate", "asyncio", "PIL")
SEARCH = ("POST", "/v1/search")


def found(*hits, searched=5, indexing=False):
    return api.SearchResponse(
        hits=hits, searched=searched, clock="c:x:1", took_ms=1, model="m", indexing=indexing
    )


PLAIN = api.Hit(id=7, score=0.314, path="/photos/dog.jpg", taken_at="2024-05-01T10:00:00")
BAD_NAME = api.Path.of(b"/photos/\xff\xfe.jpg")
ODD = api.Hit(id=8, score=0.2, path=BAD_NAME.path, path_base64=BAD_NAME.path_base64)
TWO_LINES = api.Hit(id=9, score=0.1, path="/photos/a\nb\x1b[31m.jpg", offline=True)


def asked(server):
    method, url, body = server.asked[-1]
    assert (method, url) == SEARCH
    return msgspec.json.decode(body, type=api.SearchRequest)


@pytest.mark.parametrize(
    ("arguments", "request_"),
    [
        (["search", "a dog", "at", "sunset"], api.SearchRequest(text="a dog at sunset")),
        (["a dog"], api.SearchRequest(text="a dog")),
        (["search", "x", "--limit", "3"], api.SearchRequest(text="x", limit=3)),
        (["x", "-n", "3"], api.SearchRequest(text="x", limit=3)),
        (["x", "-n3"], api.SearchRequest(text="x", limit=3)),
        (["search", "x", "--min-score", "0.2"], api.SearchRequest(text="x", min_score=0.2)),
        (["search", "--id", "7"], api.SearchRequest(image=api.Term(id=7))),
        (["similar", "--id", "7"], api.SearchRequest(image=api.Term(id=7))),
        (["similar", "-"], api.SearchRequest(image=api.Term(data=b"\xff\xd8bytes"))),
        (
            ["search", "snow", "--image", "-"],
            api.SearchRequest(text="snow", image=api.Term(data=b"\xff\xd8bytes")),
        ),
    ],
)
def test_what_is_asked(server, imgvec, arguments, request_):
    server.on(*SEARCH, found(PLAIN))
    assert imgvec(*arguments, stdin=b"\xff\xd8bytes").returncode == 0
    assert asked(server) == request_


def test_an_image_file_is_sent_whatever_its_name(server, imgvec, tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff.jpg"
    with open(path, "wb") as file:
        file.write(b"photo")
    server.on(*SEARCH, found(PLAIN))
    assert imgvec("similar", path).returncode == 0
    assert asked(server) == api.SearchRequest(image=api.Term(data=b"photo"))


def test_words_that_are_not_utf8_are_asked_all_the_same(server, imgvec):
    server.on(*SEARCH, found(PLAIN))
    assert imgvec("search", b"caf\xe9").returncode == 0
    assert asked(server).text == "caf�"


def test_a_pipe_gets_exact_paths_only(server, imgvec):
    server.on(*SEARCH, found(PLAIN, ODD))
    assert imgvec("search", "x").stdout == b"/photos/dog.jpg\n/photos/\xff\xfe.jpg\n"


def test_nul_separates_names_with_line_breaks(server, imgvec):
    server.on(*SEARCH, found(TWO_LINES, PLAIN))
    assert imgvec("search", "x", "-0").stdout == b"/photos/a\nb\x1b[31m.jpg\0/photos/dog.jpg\0"


def test_json_is_the_answer(server, imgvec):
    answer = found(PLAIN, ODD)
    server.on(*SEARCH, answer)
    assert imgvec("search", "x", "--json").stdout == msgspec.json.encode(answer) + b"\n"


@pytest.mark.parametrize("form", [(), ("-0",), ("--jsonl",), ("--html", "/dev/null")])
def test_a_pipe_gets_no_line_where_nothing_is_found_and_who_reads_is_told(server, imgvec, form):
    server.on(*SEARCH, found())
    done = imgvec("search", "x", *form)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"imgvec: Nothing found among 5 images.\n"


def test_who_is_told_that_nothing_is_found_reads_what_more_there_is(server, imgvec):
    answer = in_bands(UNSURE, weaker=12, nearest=UNSURE, nearest_hits=(UNSURE,))
    server.on(*SEARCH, msgspec.structs.replace(answer, indexing=True))
    server.on("GET", "/v1/status", counted(seen=2000, indexed=499, pending=1500, failed=1))
    assert imgvec("search", "x").stderr.decode().splitlines() == [
        "imgvec: Nothing found among 463 images, 12 weaker. --all shows what comes nearest anyway.",
        "imgvec: So far 499 of 1,999 files can be found; `imgvec status` shows how it goes on.",
    ]


def test_json_says_itself_that_nothing_is_found(server, imgvec):
    server.on(*SEARCH, found())
    done = imgvec("search", "x", "--json")
    assert (done.returncode, done.stderr) == (1, b"")


LINK = re.compile(r"\x1b]8;;file://[!-~]*\x1b\\(.*?)\x1b]8;;\x1b\\")


def on_terminal(environment, *arguments):
    """Return what a person sees of `imgvec`, links as plain text."""
    shown = terminals.on_terminal("imgvecd.client.main", environment, *arguments)
    return LINK.sub(r"\1", shown.decode())


def test_a_terminal_gets_a_table_that_cannot_command_it(server, environment):
    server.on(*SEARCH, found(PLAIN, TWO_LINES))
    assert on_terminal(environment, "search", "x") == (
        "score    id    date        path\n"
        "0.314    7     2024-05-01  /photos/dog.jpg\n"
        "0.100    9                 /photos/a�b�[31m.jpg (offline)\n"
    )


def test_names_are_cut_to_fit_and_open_the_file():
    long = "/photos/" + "a rather long name of a folder/" * 5 + "dog.jpg"
    shown = shortened(long, 40)
    assert len(shown) == 40
    assert shown.startswith("/photos/a rather")
    assert shown.endswith("…/dog.jpg")
    assert shortened(os.path.expanduser("~/a.jpg"), 80) == "~/a.jpg"
    assert shortened("/a/b.jpg", 80) == "/a/b.jpg"
    assert (
        shortened("/home/ada/pictures/from chat/b.jpg", 20, "/home/ada/pictures")
        == "…/from chat/b.jpg"
    )
    assert len(shortened("/" + "x" * 300 + ".jpg", 40)) == 40
    assert wcswidth(shortened("/照片/" + "照片" * 40 + ".jpg", 40)) <= 40


def counted(**counts):
    return api.Status(
        version="1",
        pid=1,
        started_at="2026-01-01T00:00:00+00:00",
        state="indexing",
        clock="c:x:1",
        model=api.ModelStatus(name="m", pretrained="p"),
        roots=(),
        files=api.FileCounts(**counts),
        index=api.IndexStatus(),
    )


@pytest.mark.parametrize("hits", [(PLAIN,), ()])
def test_a_terminal_is_told_while_not_all_can_be_found(server, environment, hits):
    server.on(*SEARCH, found(*hits, indexing=True))
    server.on("GET", "/v1/status", counted(seen=2000, indexed=499, pending=1500, failed=1))
    told = "So far 499 of 1,999 files can be found; `imgvec status` shows how it goes on.\n"
    assert on_terminal(environment, "search", "x").endswith(told)
    server.on("GET", "/v1/status", counted(seen=2000, indexed=2000))  # it scans
    assert "So far" not in on_terminal(environment, "search", "x")


def test_any_other_word_is_searched_for(server, environment):
    server.on(*SEARCH, found())
    on_terminal(environment, "beach")
    assert asked(server).text == "beach"


def test_a_terminal_is_told_when_nothing_is_found(server, environment):
    server.on(*SEARCH, found())
    assert on_terminal(environment, "search", "x") == "Nothing found among 5 images.\n"
    server.on(*SEARCH, found(searched=0))
    assert on_terminal(environment, "search", "x") == (
        "Nothing is indexed yet; `imgvec status` shows how far it is.\n"
    )
    assert on_terminal(environment, "search", "x", "--tag", "a") == (
        "No indexed image passes the filters.\n"
    )


SURE = msgspec.structs.replace(PLAIN, relevance=0.9, band="found")
UNSURE = api.Hit(id=8, score=0.2, path="/photos/fox.jpg", relevance=0.3, band="weaker")


def in_bands(*hits, **counts):
    return msgspec.structs.replace(found(*hits, searched=463), **counts)


def test_where_there_are_too_few_images_for_bands_none_is_called_found(server, environment):
    unbanded = [msgspec.structs.replace(hit, relevance=None, band=None) for hit in (SURE, UNSURE)]
    server.on(*SEARCH, in_bands(*unbanded, found=2))
    untold = "how well they fit cannot be told yet\n"
    shown = on_terminal(environment, "search", "x")
    assert shown.endswith(f"\n2 images, nearest first; {untold}")
    server.on(*SEARCH, in_bands(*unbanded, found=9))
    shown = on_terminal(environment, "search", "x")
    assert shown.endswith(f"\n9 images, nearest first (2 shown: --limit N); {untold}")


def test_a_terminal_shows_what_is_found_and_counts_what_is_weaker(server, environment):
    server.on(*SEARCH, in_bands(SURE, UNSURE, found=65, weaker=40))
    shown = on_terminal(environment, "search", "x", "--limit", "2")
    assert "dog.jpg" in shown
    assert "fox.jpg" not in shown
    assert shown.endswith("\n65 found; 40 weaker: --all (1 shown: --limit N)\n")
    server.on(*SEARCH, in_bands(SURE, found=1))
    assert on_terminal(environment, "search", "x").endswith("\n1 found\n")
    server.on(*SEARCH, in_bands(SURE, UNSURE, found=1, weaker=10_000))
    everything = on_terminal(environment, "search", "x", "--all")
    assert everything.splitlines()[0].split()[0] == "band"
    assert "fox.jpg" in everything
    assert everything.endswith("\n1 found; 10,000+ weaker\n")


def test_a_terminal_names_what_comes_nearest_where_nothing_is_found(server, environment):
    nearest = (UNSURE, *(msgspec.structs.replace(UNSURE, path=f"/{i}.jpg") for i in range(2)))
    server.on(*SEARCH, in_bands(UNSURE, weaker=12, nearest=UNSURE, nearest_hits=nearest))
    assert on_terminal(environment, "search", "x") == (
        "Nothing found among 463 images, 12 weaker. The 3 nearest are:\n"
        "match    id    date    path\n"
        "30%      8             /photos/fox.jpg\n"
        "30%      8             /0.jpg\n"
        "30%      8             /1.jpg\n"
        "--all shows what comes nearest anyway.\n"
    )


@pytest.mark.parametrize("command", [("search", "x"), ("saved", "run", "dogs")])
def test_who_does_not_see_bands_gets_what_is_found(server, imgvec, tmp_path, command):
    saved = api.SavedSearch(name="dogs", search=api.SearchRequest(text="x"))
    server.on("GET", "/v1/saved", api.SavedSearches(saved=(saved,)))
    answer = in_bands(SURE, UNSURE, found=1, weaker=1)
    server.on(*SEARCH, answer)
    album = tmp_path / "album"
    assert imgvec(*command, "--link-to", str(album)).stdout == b"/photos/dog.jpg\n"
    assert [os.readlink(link) for link in album.iterdir()] == ["/photos/dog.jpg"]
    assert imgvec(*command, "--json").stdout == msgspec.json.encode(answer) + b"\n"
    bands = [json.loads(line)["band"] for line in imgvec(*command, "--jsonl").stdout.splitlines()]
    assert bands == ["found", "weaker"]
    header, *rows = imgvec(*command, "--csv").stdout.splitlines()
    place = header.split(b",").index(b"band")
    assert [row.split(b",")[place] for row in rows] == [b"found", b"weaker"]
    server.on(*SEARCH, in_bands(UNSURE, weaker=1, nearest=UNSURE, nearest_hits=(UNSURE,)))
    nothing = imgvec(*command)
    assert (nothing.returncode, nothing.stdout) == (1, b"")


def test_saved_searches_are_told_in_short(server, environment):
    search = api.SearchRequest(
        text="a dog",
        terms=(api.Term(text="snow", weight=-1), api.Term(data=b"photo")),
        filters=api.Filters(taken="2023", tags=("family", "sea")),
        limit=3,
    )
    saved = api.SavedSearches(saved=(api.SavedSearch(name="dogs", search=search),))
    server.on("GET", "/v1/saved", saved)
    assert on_terminal(environment, "saved") == (
        "name    search\ndogs    +a dog -snow +image  taken=2023  tags=family,sea  limit=3\n"
    )
    server.on(*SEARCH, found(PLAIN))
    assert on_terminal(environment, "saved", "run", "dogs", "--limit", "1").count("dog.jpg") == 1
    assert asked(server) == msgspec.structs.replace(search, limit=1)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["search"], b"Say what to look for"),
        (["search", "x", "--box", "53,13,52,14"], b"its south lies north of its north"),
        (["search", "x", "--glob", "a" * 5000], b"a glob has at most 4,096 characters"),
        (["images", "--glob", "a" * 5000], b"a glob has at most 4,096 characters"),
        (["images", "--glob", "[z-a]"], b"a glob"),
        (["similar"], b"Say what to look for"),
        (["similar", "/nowhere.jpg"], b"/nowhere.jpg: No such file"),
        (["similar", "/"], b"/: Is a directory"),
        (["similar", "/dev/zero"], b"/dev/zero is larger than 64,000,000 bytes"),
        (["search", "--id", "7", "--image", "x"], b"either an image file or an id"),
        (["search", "x", "--limit", "many"], b"is not a whole number"),
        (["search", "x", "--min-score", "7"], b"argument --min-score: expected float <= 1.0"),
        (["search", "--id", "none"], b"argument --id: expected int, not 'none'"),
        (["sync", "--timeout", "-1"], b"argument --timeout: expected float > 0.0"),
        (["pause", "--for", "1000d"], b"argument --for: '1000d' is not between 0s and 366d"),
        (["serach", "x"], b"did you mean `imgvec search`?"),
        ([], b"examples:"),
        (["search", "x", "--copy"], b"--copy needs --link-to"),
        (["search", "x", "--limit", "0"], b"is not a whole number"),
        (["status", "--interval", "often"], b"is not a number"),
    ],
)
def test_wrong_usage_is_an_error(imgvec, arguments, complaint):
    done = imgvec(*arguments)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_problem_is_told_in_its_own_words(server, imgvec):
    problem = api.Problem(code="model", title="x", status=503, detail="No model, sorry.")
    server.on(*SEARCH, problem, status=503)
    done = imgvec("search", "x")
    assert (done.returncode, done.stderr) == (2, b"imgvec: No model, sorry.\n")


def test_without_a_daemon_it_says_how_to_start_one(imgvec, tmp_path):
    done = imgvec("status", IMGVECD_SOCKET=str(tmp_path / "none"))
    assert done.returncode == 2
    assert b"start it with: `imgvecd serve`" in done.stderr


def test_a_dead_socket_is_no_daemon(imgvec, tmp_path):
    path = str(tmp_path / "dead")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    done = imgvec("status", "--socket", path)
    assert done.returncode == 2
    assert b"start it with: `imgvecd serve`" in done.stderr


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b"\xff"])
def test_foreign_answers_are_refused(server, imgvec, answer):
    server.on("GET", "/v1/status", answer)
    done = imgvec("status")
    assert done.returncode == 2
    assert b"is not imgvecd's" in done.stderr


def test_the_socket_comes_from_flag_then_variable_then_file_then_default(
    server, imgvec, tmp_path, environment
):
    server.on("GET", "/v1/health", api.Health(status="ok"))
    (tmp_path / "config" / "imgvecd").mkdir(parents=True)
    file = tmp_path / "config" / "imgvecd" / "imgvecd.yaml"
    file.write_text("server:\n  socket: /from/file\n")
    runtime = str(tmp_path / "runtime")

    def tried(*arguments, **changes):
        return imgvec("health", *arguments, XDG_RUNTIME_DIR=runtime, **changes).stderr.decode()

    assert "/from/flag" in tried("--socket", "/from/flag", IMGVECD_SOCKET="/from/variable")
    assert "/from/variable" in tried(IMGVECD_SOCKET="/from/variable")
    assert "/from/file" in tried(IMGVECD_SOCKET="")
    file.write_text("log_level: info\n")
    assert f"{runtime}/imgvecd/imgvecd.sock" in tried(IMGVECD_SOCKET="")
    file.write_text("log_levle: info\n")
    assert f"{file}:1: unknown key log_levle" in tried(IMGVECD_SOCKET="")


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("degraded", 1)])
def test_health_is_an_exit_code(server, imgvec, status, code):
    server.on("GET", "/v1/health", api.Health(status=status, reasons=("why",)))
    done = imgvec("health")
    assert (done.returncode, done.stdout) == (code, f"{status}\nwhy\n".encode())


@pytest.mark.parametrize("command", ["sync", "rescan"])
def test_people_are_told_what_was_done_and_programs_the_clock(server, imgvec, environment, command):
    server.on("POST", f"/v1/{command}", api.Done(done=command, clock="c:x:1"))
    assert imgvec(command).stdout == b"c:x:1\n"
    assert "c:x:1" not in on_terminal(environment, command)


def image(number, *paths):
    files = tuple(
        api.ImageFile(path=p, size_bytes=1500, modified_at="2024-01-01T00:00:00Z") for p in paths
    )
    return api.Image(id=number, hash="ab", files=files, format="jpeg", width=4, height=3)


def test_images_are_listed_to_the_last_page(server, imgvec):
    first = api.ImageList(images=(image(1, "/a", "/b"), image(2, "/c")), next_after=2)
    server.on("GET", "/v1/images?after=-1&limit=500", first)
    server.on("GET", "/v1/images?after=2&limit=500", api.ImageList(images=(image(3, "/d"),)))
    done = imgvec("images")
    assert (done.returncode, done.stdout) == (0, b"/a\n/b\n/c\n/d\n")
    lines = imgvec("images", "--json").stdout.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [1, 2, 3]


def test_a_terminal_sees_the_ids_of_what_is_listed(server, environment):
    images = (image(1, "/a", "/b"), image(23, "/c"))
    server.on("GET", "/v1/images?after=-1&limit=500", api.ImageList(images=images))
    assert on_terminal(environment, "images") == (
        "      1              /a (and 1 more)\n     23              /c\n"
    )


def test_the_list_can_be_cut(server, imgvec):
    server.on(
        "GET",
        "/v1/images?after=5&limit=1",
        api.ImageList(images=(image(6, "/f"),), next_after=6),
    )
    assert imgvec("images", "--after", "5", "--limit", "1").stdout == b"/f\n"


def test_of_several_files_those_are_listed_that_were_asked_for(server, imgvec):
    listed = api.ImageList(images=(image(1, "/a/x", "/b/x", "/a/b/y"), image(2, "/b/z")))
    passing = "%7B%22folder%22%3A%22%2Fb%22%7D"
    server.on("GET", f"/v1/images?after=-1&limit=500&filters={passing}", listed)
    assert imgvec("images", "--folder", "/b").stdout == b"/b/x\n/b/z\n"


def test_a_file_as_a_query_is_told_how_to_search_by_the_picture(server, imgvec, tmp_path):
    (tmp_path / "my cat.jpg").write_bytes(b"")
    server.on(*SEARCH, found(PLAIN))
    done = imgvec("search", tmp_path / "my cat.jpg")
    assert f"`imgvec similar '{tmp_path}/my cat.jpg'`" in done.stderr.decode()


def test_the_list_can_be_filtered(server, imgvec):
    passing = "%7B%22tags%22%3A%5B%22family%22%5D%2C%22min_rating%22%3A4.0%7D"
    server.on("GET", f"/v1/images?after=-1&limit=500&filters={passing}", api.ImageList(images=()))
    none = imgvec("images", "--tag", "family", "--min-rating", "4")
    assert (none.returncode, none.stderr) == (1, b"imgvec: No image passes the filters.\n")


def test_show(server, imgvec):
    server.on("GET", "/v1/images/7", image(7, "/a"))
    lines = imgvec("show", "7").stdout.decode().splitlines()
    assert lines == [
        "id        7",
        "hash      ab",
        "file      /a",
        "          1.5 kB, modified 2024-01-01 00:00",
        "format    jpeg, 4 x 3",
        "indexed   no: pending",
    ]


def test_status_tells_progress_model_and_offline_roots(server, imgvec):
    answer = api.Status(
        version="1.2.3",
        pid=4,
        started_at="2024-01-01T00:00:00Z",
        state="indexing",
        clock="c:x:1",
        model=api.ModelStatus(name="m", pretrained="p", loaded=True, note="because"),
        roots=(
            api.RootStatus(path="/on", files=10, watching="events"),
            api.RootStatus(path="/off", online=False, offline_since="noon", offline_reason="gone"),
        ),
        files=api.FileCounts(seen=1000, indexed=740, pending=250, failed=10),
        index=api.IndexStatus(vectors=740),
        rate_per_s=12.5,
        eta_s=3700,
        warnings=("beware",),
    )
    server.on("GET", "/v1/status", answer)
    shown = imgvec("status").stdout.decode()
    for part in (
        "1.2.3, indexing",
        "1,000 seen, 740 indexed, 250 pending, 10 failed",
        "75.0%, 12.5 images/s, 1 h 1 min left",
        "m p, in memory",
        "because",
        "/on: 10 files, watched by events",
        "/off: offline since noon",
        "gone",
        "beware",
    ):
        assert part in shown


def test_stats(server, imgvec):
    answer = api.Stats(
        images=3,
        files=4,
        size_bytes=2_500_000,
        embeddings=3,
        failures=1,
        formats={"png": 1, "jpeg": 2},
        oldest_taken_at="2001",
        newest_taken_at="2024",
        catalog_bytes=999,
        index_bytes=0,
    )
    server.on("GET", "/v1/stats", answer)
    shown = imgvec("stats").stdout.decode()
    for part in ("3 in 4 files, 2.5 MB", "2 jpeg, 1 png", "999 bytes", "2001 to 2024"):
        assert part in shown


def test_a_reader_that_has_seen_enough_is_no_error(server, environment):
    hits = tuple(api.Hit(id=n, score=0.5, path=f"/{'x' * 200}/{n}") for n in range(1000))
    server.on(*SEARCH, found(*hits))
    command = f"{sys.executable} -m imgvecd.client.main search x | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\n") == 1


def test_interrupt_ends_without_a_traceback(environment, tmp_path):
    path = str(tmp_path / "silent")
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(path)
        silent.listen()
        process = subprocess.Popen(
            [sys.executable, "-m", "imgvecd.client.main", "status", "--socket", path],
            env=environment,
            stderr=subprocess.PIPE,
        )
        connection, _ = silent.accept()
        connection.recv(1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=DEADLINE_S)
        connection.close()
    assert (process.returncode, errors) == (130, b"")


def test_nothing_heavy_is_imported(server, environment):
    server.on(*SEARCH, found(PLAIN))
    program = (
        "import sys; from imgvecd.client.main import main; main(['search', 'x']);"
        f"sys.exit(','.join(m for m in {FORBIDDEN} if m in sys.modules) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], api.PauseRequest()),
        (["--for", "2h"], api.PauseRequest(for_s=7200)),
        (["--for", "1h30min"], api.PauseRequest(for_s=5400)),
        (["--for", "1.5 d"], api.PauseRequest(for_s=129_600)),
        (["--for", "90s"], api.PauseRequest(for_s=90)),
        (["--for", "2 hours 5 minutes"], api.PauseRequest(for_s=7500)),
    ],
)
def test_pause_says_for_how_long(server, imgvec, arguments, wanted):
    pause = api.Pause(cause="request", reason="by request")
    server.on("POST", "/v1/pause", api.Pausing(pause=pause))
    done = imgvec("pause", *arguments)
    assert (done.returncode, done.stdout) == (0, b"paused: by request\n")
    assert msgspec.json.decode(server.asked[-1][2], type=api.PauseRequest) == wanted


@pytest.mark.parametrize("text", ["2", "h", "soon", "2h soon", "-2h", ""])
def test_a_time_that_is_none_is_refused(server, imgvec, text):
    done = imgvec("pause", f"--for={text}")
    assert done.returncode == 2
    assert b"45min" in done.stderr
    assert server.asked == []


def test_resume_tells_what_else_is_in_the_way(server, imgvec):
    pause = api.Pause(cause="battery", reason="on battery")
    server.on("POST", "/v1/resume", api.Pausing(pause=pause))
    done = imgvec("resume")
    assert done.returncode == 1
    assert done.stdout == b"paused: on battery; `imgvec resume --force` has it go on\n"
    server.on("POST", "/v1/resume", api.Pausing(pause=None))
    done = imgvec("resume", "--force")
    assert (done.returncode, done.stdout) == (0, b"indexing goes on\n")
    assert msgspec.json.decode(server.asked[-1][2], type=api.ResumeRequest).force


def test_who_comes_while_a_flood_waits_to_be_let_in_is_patient(tmp_path):
    """The kernel keeps so many connections, and refuses the next until the daemon takes some."""
    path = str(tmp_path / "full.sock")
    flood = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(3)
        with contextlib.suppress(BlockingIOError):
            while True:
                flood.append(socket.socket(socket.AF_UNIX))
                flood[-1].setblocking(False)
                flood[-1].connect(path)

        def let_in():
            taken = [listener.accept()[0] for _ in flood]  # who was refused is not among them
            taken[-1].recv(65536)
            taken[-1].sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

        server = threading.Timer(0.2, let_in)
        server.start()
        assert DaemonConnection(path).get("/v1/health") == b"{}"
        server.join()
    for client in flood:
        client.close()
