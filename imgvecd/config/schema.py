"""Every setting: name, type, range, default and meaning, in one place.

`config/imgvecd.yaml` in the project is this table as a commented file; a test holds them together.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import re
import shlex
import urllib.parse
from collections.abc import Iterable
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from imgvecd import globs
from imgvecd.api import KEEPER_RULES, KeeperRule
from imgvecd.config import paths

Positive = Annotated[int, Meta(ge=1, le=10**15)]  # no more than travels to a worker, or is sense
_LONGEST = 10**9  # seconds, 31 years: what is never to happen; no system waits longer
Seconds = Annotated[float, Meta(ge=0, le=_LONGEST)]
_LAST_PORT = 65_535
_PORT = re.compile("[0-9]{1,5}")
_MOST_SERVERS = 16  # that encode: each has connections of its own


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all sections: unknown keys are errors."""


class RootConfig(Section, frozen=True):
    """A watched folder. In the file a plain string is short for `path: STRING`.

    Attributes:
        path: the folder; `~` and `$VARIABLES` are expanded.
        exclude: globs relative to this root, on top of the common ones.
        watch: "auto" polls where the file system gives no events; "poll" always polls.
        follow_symlinks: follow links to folders and files that stay inside the root.
        follow_symlinks_outside: follow those that lead out of the root as well.
    """

    path: str
    exclude: tuple[str, ...] = ()
    watch: Literal["auto", "poll"] = "auto"
    follow_symlinks: bool = False
    follow_symlinks_outside: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError, which is reported with the root, for a glob that cannot be one."""
        _check_globs(self.exclude)


class ModelConfig(Section, frozen=True):
    """A model by open_clip's `name` and `pretrained`: a tag, or the path of a checkpoint."""

    name: str
    pretrained: str = ""


class WatchConfig(Section, frozen=True):
    """How changes on disk are noticed.

    Attributes:
        settle_ms: a file that nobody closed is read once it has not changed for so long.
        rescan_interval_s: full stat-only scan, against whatever events have missed; 0 turns it off.
        poll_interval_s: how often folders without events are scanned.
        hidden: include files and folders whose name begins with a dot.
        min_size_bytes, max_size_bytes: files outside are left out.
    """

    settle_ms: Annotated[int, Meta(ge=0, le=600_000)] = 500
    rescan_interval_s: Seconds = 3600
    poll_interval_s: Annotated[float, Meta(ge=0.1, le=_LONGEST)] = 60
    hidden: bool = False
    min_size_bytes: Annotated[int, Meta(ge=0, le=10**15)] = 0
    max_size_bytes: Positive = 2_000_000_000


class DecodeConfig(Section, frozen=True):
    """How files become pixels.

    Attributes:
        workers: decoding processes; 0 chooses by the number of cores.
        timeout_s: a decode that takes more processor time, or makes no progress for so long, is
            ended; it is tried twice more, alone, and recorded as a failure then.
        memory_mb: address space of one worker.
        max_pixels: larger pictures are failures, unless they can be decoded at a reduced scale.
        idle_s: workers with nothing to do stop after so long.
    """

    workers: Annotated[int, Meta(ge=0, le=256)] = 0
    timeout_s: Annotated[float, Meta(gt=0, le=_LONGEST)] = 30
    memory_mb: Annotated[int, Meta(ge=128, le=10**9)] = 2048
    max_pixels: Positive = 300_000_000
    idle_s: Seconds = 60


class EncodeServerConfig(Section, frozen=True):
    """Another machine that encodes: `imgvecd encode-server` runs there.

    Attributes:
        url: "https://desktop:8770"; plain http for this machine's own addresses only.
        token_file: holds the server's token; nobody else may read it.
        ca_file: certificate, or that of the authority, that the server is known by; empty means
            those that the system trusts.
        on_wanted: a command that is run when images wait and the server is off, such as
            "wakeonlan 00:11:22:33:44:55"; a text is split into words, and no shell reads it.
    """

    url: str
    token_file: str = ""
    ca_file: str = ""
    on_wanted: str | tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError, which is reported with the server, for what cannot be one."""
        check_server_url(self.url)
        if any("\0" in word for word in self.command()):
            raise ValueError("on_wanted: a command cannot contain NUL")

    def command(self) -> tuple[str, ...]:
        """Return the words of `on_wanted`; none if there is nothing to run."""
        if not isinstance(self.on_wanted, str):
            return self.on_wanted
        try:
            return tuple(shlex.split(self.on_wanted))
        except ValueError as error:
            raise ValueError(f"on_wanted: {error}") from None


class EncodeConfig(Section, frozen=True):
    """How pixels and texts become embeddings.

    Attributes:
        remote: other machines that encode for this one, of which the pixels are sent.
        without_remote: what is done while none of them can be reached: "local" encodes here, as it
            does beside them; "wait" leaves images to them, and never loads the model here.
        batch_size: images per batch; 0 learns what the device likes best.
        device: "auto" takes CUDA, then MPS, then the CPU.
        precision: "auto" takes fp16 on a GPU, bf16 on CPUs that are faster in it, else fp32. "int8"
            is for the CPU: two to three times as fast where that has VNNI, and other vectors, so
            images are encoded anew; docs/performance.md has what it costs.
        runtime: of the image tower. "auto" converts it for OpenVINO once, where the model runs on
            the CPU, and takes that if its vectors are the same and it is as fast as torch.
        threads: of the encoder on the CPU; 0 takes every core.
        idle_s: the model leaves memory after so long without work; "auto" is 5 minutes, and an
            hour on the day that the library was made.
    """

    remote: tuple[EncodeServerConfig, ...] = ()
    without_remote: Literal["wait", "local"] = "local"
    batch_size: Annotated[int, Meta(ge=0, le=4096)] = 0
    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8"] = "auto"
    runtime: Literal["auto", "torch", "openvino"] = "auto"
    threads: Annotated[int, Meta(ge=0, le=4096)] = 0
    idle_s: Literal["auto"] | Seconds = "auto"

    def __post_init__(self) -> None:
        """Raise ValueError, which is reported with the section, for servers that make no sense."""
        if len(self.remote) > _MOST_SERVERS:
            raise ValueError(f"remote: {len(self.remote)} servers, {_MOST_SERVERS} at most")
        urls = [server.url.rstrip("/") for server in self.remote]
        twice = {url for url in urls if urls.count(url) > 1}
        if twice:
            raise ValueError(f"remote: {min(twice)} is given twice")
        if self.without_remote == "wait" and not self.remote:
            raise ValueError("without_remote: wait needs a server to wait for, in encode.remote")
        if self.precision == "int8" and self.device not in {"auto", "cpu"}:
            raise ValueError("precision: int8 is computed on the CPU; device must be auto or cpu")
        if self.precision == "int8" and self.runtime == "torch":
            raise ValueError("precision: int8 is computed by OpenVINO; runtime must be auto")


class EncodeServerSection(Section, frozen=True):
    """`imgvecd encode-server`: encodes for other machines. Its flags override these.

    Attributes:
        listen: ADDRESS:PORT; off this machine's own addresses only with TLS and a token.
        tls_cert, tls_key: files in PEM format: the certificate with its chain, and its key.
        token_file: holds the token that clients need, and is made on first use.
        models: as `model` says them, or NAME=CHECKPOINT; empty means what `model` says.
    """

    listen: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    token_file: str = ""
    models: tuple[str, ...] = ()


class IndexingConfig(Section, frozen=True):
    """When reading and encoding rest for others' sake; watching and searching never do.

    Attributes:
        quiet_hours: times of day without indexing, local: "22:00-07:00"; several with commas.
        pause_on_battery: rest while the machine runs on battery.
        max_other_load: rest while other programs use more than this share of all cores; 0 never.
        niceness: of what reads and decodes, 0 to 19; the encoder, which also serves searches, has
            half of it.
        io_priority: of the same; "idle" waits for a disk that nobody else uses.
    """

    quiet_hours: str = ""
    pause_on_battery: bool = True
    max_other_load: Annotated[float, Meta(ge=0, le=1)] = 0.0
    niceness: Annotated[int, Meta(ge=0, le=19)] = 10
    io_priority: Literal["normal", "low", "idle"] = "low"

    def __post_init__(self) -> None:
        """Raise ValueError, which msgspec reports with the section, for hours that are none."""
        self.hours()

    def hours(self) -> tuple[tuple[datetime.time, datetime.time], ...]:
        """Return (beginning, end) of each of the quiet hours; an end before it is tomorrow's."""
        return tuple(_hours(part.strip()) for part in self.quiet_hours.split(",") if part.strip())


class OcrConfig(Section, frozen=True):
    """Reading the text in pictures, so that its words find them. Needs the extra `ocr`.

    Attributes:
        enabled: whether it is read, picture by picture, while nothing else waits. What was read
            stays when this is turned off.
        threads: that compute.
        timeout_s: of processor time for one picture; one that takes longer counts as without text.
        memory_mb: address space of the process that reads.
    """

    enabled: bool = False
    threads: Annotated[int, Meta(ge=1, le=256)] = 1
    timeout_s: Annotated[float, Meta(gt=0, le=_LONGEST)] = 60
    memory_mb: Annotated[int, Meta(ge=1024, le=10**9)] = 4096


class CatalogConfig(Section, frozen=True):
    """How the catalog is kept safe.

    Attributes:
        backup_interval_h: longest time that changes stay without a backup; 0 makes none.
        backups: how many are kept; each is as large as the catalog.
        keep_days: what is known of pictures that are gone for so long, tags included, and the
            texts of queries that nobody has asked since, is forgotten; 0 keeps it for ever.
        check_interval_d: how often the catalog is read through for damage; 0 does so only after
            it was not closed in order.
    """

    backup_interval_h: Annotated[float, Meta(ge=0, le=100_000)] = 24
    backups: Annotated[int, Meta(ge=1, le=100)] = 2
    keep_days: Annotated[float, Meta(ge=0, le=100_000)] = 365
    check_interval_d: Annotated[float, Meta(ge=0, le=100_000)] = 30


class IndexConfig(Section, frozen=True):
    """How embeddings are searched.

    Attributes:
        kind: "auto" is "flat" (exact) up to 100,000 images and "pq" above: codes of 2 bits per
            dimension in memory, re-ranked exactly. "rabitq" holds 1 bit, and is slower.
        checkpoint_interval_s: longest time that changes stay without a checkpoint.
        checkpoint_changes: a checkpoint is written after so many changes at the latest.
        rebuild_ratio: a new generation is built when additions or removals exceed this share.
    """

    kind: Literal["auto", "flat", "pq", "rabitq"] = "auto"
    checkpoint_interval_s: Annotated[float, Meta(gt=0, le=_LONGEST)] = 300
    checkpoint_changes: Positive = 10_000
    rebuild_ratio: Annotated[float, Meta(gt=0, le=1)] = 0.2


class DuplicatesConfig(Section, frozen=True):
    """Which file of a group of duplicates stays, where a request does not say otherwise.

    Attributes:
        rules: what it is chosen by, the most important first: folder, resolution, quality,
            metadata, format, age.
        prefer: folders to keep files in, the best first.
        protect: folders whose files are always kept, whatever a request says.
    """

    rules: tuple[KeeperRule, ...] = KEEPER_RULES
    prefer: tuple[str, ...] = ()
    protect: tuple[str, ...] = ()


class ServerConfig(Section, frozen=True):
    """The socket.

    Attributes:
        socket: its path; empty means `$XDG_RUNTIME_DIR/imgvecd/imgvecd.sock`.
        group: members of this group may connect as well; the socket must lie where they can reach
            it. They see the whole library, but the daemon reads no file for them.
        tcp: "127.0.0.1:8765" also listens there: loopback addresses only, and every request needs
            the token. Empty: nothing listens but the socket.
        token_file: holds that token, and is made on first use; empty means `token` beside the
            configuration file.
        fetch_urls: a search may name an image by its URL, which the daemon fetches from public
            addresses. Off: `imgvec` fetches, in the name of who runs it.
        max_upload_mb: larger request bodies are refused.
        timeout_s: deadline of one request.
        thumbnails_mb: most room of kept thumbnails in `$XDG_CACHE_HOME/imgvecd`; 0 keeps none.
    """

    socket: str = ""
    group: str = ""
    tcp: str = ""
    token_file: str = ""
    fetch_urls: bool = False
    max_upload_mb: Positive = 64
    timeout_s: Annotated[float, Meta(gt=0, le=_LONGEST)] = 60
    thumbnails_mb: Annotated[int, Meta(ge=0, le=10**9)] = 256

    def __post_init__(self) -> None:
        """Raise ValueError, which is reported with the section, for an address that is none."""
        if self.tcp:
            parse_endpoint(self.tcp)


class BrowseConfig(Section, frozen=True):
    """`imgvec browse --serve`: the page for good, on a machine without a screen. Off by default.

    Attributes:
        listen: ADDRESS:PORT, for a reverse proxy that does TLS. Empty: nothing listens.
        origin: of the page as browsers see it, "https://photos.example".
        secret_file: holds the secret that browsers are asked for once; nobody else may read it.
    """

    listen: str = ""
    origin: str = ""
    secret_file: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError, which is reported with the section, for an address that is none."""
        if self.listen:
            split_listen(self.listen)


def split_listen(text: str) -> tuple[str, int]:
    """Return (host, port) of "ADDRESS:PORT", without the brackets of an IPv6 address.

    Raises:
        ValueError: it is none.
    """
    host, _, port = text.rpartition(":")
    if not (host and _PORT.fullmatch(port) and int(port) <= _LAST_PORT):
        raise ValueError(f"listen: expected ADDRESS:PORT, got {text!r}")
    return host.strip("[]"), int(port)


def check_server_url(url: str) -> None:
    """Return unless `url` is no address of an encode server.

    Raises:
        ValueError: it is none, or would send the token and pictures in the clear.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urllib.parse.urlsplit(""), None, None
    rest = (parts.username, parts.password, parts.query, parts.fragment, parts.path.strip("/"))
    if parts.scheme not in {"https", "http"} or not host or any(rest) or port == 0:
        raise ValueError(f"url: expected https://NAME:PORT, got {url!r}")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError(f"url: {url} is not encrypted: expected https, got http")


def is_loopback(host: str) -> bool:
    """Return whether a host's name or address is this machine's own, whatever a resolver says."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


class SharedConfig(Section, frozen=True):
    """A database that several machines publish to, for one search over all. Off by default.

    Attributes:
        engine: "postgres" with pgvector (the extra `shared`), or "milvus" (the extra `milvus`).
        url: "postgresql://nas@db1,db2/photos"; hosts other than this one are verified by TLS unless
            it says otherwise. "https://nas@milvus:19530" for Milvus. No password. Empty: nothing is
            shared.
        password_file: holds the password; nobody else may read it.
        name: what this library is called there; empty means the machine's name.
        answer: what searches find unless they say it: "local" images, or "shared" ones as well.
        publish: what else than vectors others may know: "paths", "metadata" (when, where, rating,
            tags). Formats and sizes in pixels always.
        share_vectors: take vectors of pictures that another machine has encoded.
    """

    engine: Literal["postgres", "milvus"] = "postgres"
    url: str = ""
    password_file: str = ""
    name: Annotated[str, Meta(max_length=100)] = ""
    answer: Literal["local", "shared"] = "local"
    publish: tuple[Literal["paths", "metadata"], ...] = ()
    share_vectors: bool = True

    def __post_init__(self) -> None:
        """Raise ValueError, which is reported with the section, where something is missing."""
        if not self.url and (self.password_file or self.name or self.publish):
            raise ValueError("url: say where the database is: postgresql://ROLE@HOST/DATABASE")
        if not self.name.isprintable() or ":" in self.name:
            raise ValueError(f"name: expected printable characters without a colon: {self.name!r}")


class Endpoint(NamedTuple):
    """A TCP address of this machine that no other machine can reach."""

    host: str
    port: int


def parse_endpoint(text: str) -> Endpoint:
    """Return the endpoint that "127.0.0.1:8765", "localhost:8765" or "[::1]:8765" means.

    Raises:
        ValueError: it is none of them.
    """
    host, _, port = text.rpartition(":")
    host = {"localhost": "127.0.0.1", "[::1]": "::1"}.get(host, host)
    if host not in ("127.0.0.1", "::1") or not port.isdigit() or int(port) > _LAST_PORT:
        raise ValueError(
            f"tcp: expected 127.0.0.1:PORT, [::1]:PORT or localhost:PORT, not {text!r}: imgvecd "
            "listens on loopback addresses only (from other machines: ssh -L)"
        )
    return Endpoint(host, int(port))


class Config(Section, frozen=True):
    """The whole file.

    Attributes:
        roots: folders to watch.
        exclude: globs for all roots.
        state_dir: catalog and index; empty means `$XDG_STATE_HOME/imgvecd`.
        model: "auto", "small", "fast", "best", "multilingual", or a model's name and checkpoint.
        model_download: whether `model: auto` may fetch ViT-B-32-256 (600 MB). "ask" asks once, on a
            terminal, and elsewhere waits for `imgvec move resume`; "allow" fetches it; "never"
            fetches nothing, not even a model that is named.
        log_level: of the journal; photo names appear at "debug" only.
    """

    roots: tuple[str | RootConfig, ...] = ()
    exclude: tuple[str, ...] = ()
    state_dir: str = ""
    model: str | ModelConfig = "auto"
    model_download: Literal["ask", "allow", "never"] = "ask"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    watch: WatchConfig = WatchConfig()
    decode: DecodeConfig = DecodeConfig()
    encode: EncodeConfig = EncodeConfig()
    encode_server: EncodeServerSection = EncodeServerSection()
    indexing: IndexingConfig = IndexingConfig()
    ocr: OcrConfig = OcrConfig()
    catalog: CatalogConfig = CatalogConfig()
    index: IndexConfig = IndexConfig()
    duplicates: DuplicatesConfig = DuplicatesConfig()
    server: ServerConfig = ServerConfig()
    browse: BrowseConfig = BrowseConfig()
    shared: SharedConfig = SharedConfig()

    def __post_init__(self) -> None:
        """Raise ValueError, which is reported with the section, for what no type tells.

        Roots that name no folder, and globs that cannot be any.
        """
        _check_globs(self.exclude)
        for root in self.roots:
            path = root if isinstance(root, str) else root.path
            try:
                usable = bool(path.strip()) and b"\0" not in os.fsencode(path)
            except UnicodeEncodeError:
                usable = False
            if not usable:
                raise ValueError(f"roots: expected the path of a folder, got {path!r}")

    def root_configs(self) -> tuple[RootConfig, ...]:
        """Return the roots, each with an absolute, expanded path."""
        full = (RootConfig(path=root) if isinstance(root, str) else root for root in self.roots)
        return tuple(msgspec.structs.replace(root, path=expand(root.path)) for root in full)

    def state_path(self) -> str:
        """Return the absolute path of the folder of catalog and index."""
        return expand(self.state_dir) if self.state_dir else paths.state_dir()


def expand(path: str) -> str:
    """Return `path` absolute, with `~` and `$VARIABLES` expanded."""
    return os.path.abspath(os.path.expandvars(os.path.expanduser(path)))


def _check_globs(texts: Iterable[str]) -> None:
    for text in texts:
        try:
            globs.EntryGlob(text)
        except ValueError as error:
            raise ValueError(f"exclude: {error}") from None


def _hours(text: str) -> tuple[datetime.time, datetime.time]:
    try:
        begin, end = map(datetime.time.fromisoformat, text.split("-"))
    except ValueError:
        begin = end = datetime.time()
    if begin == end or begin.tzinfo or end.tzinfo:
        raise ValueError(f'Expected quiet_hours such as "22:00-07:00", got "{text}"')
    return begin, end
