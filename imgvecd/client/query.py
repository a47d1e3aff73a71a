"""The syntax of queries on the command line: words and terms to a request.

`beach +sunset -people @photo.jpg "2:red car" "#316"`: plain words are one text; `+` adds a term and
`-` takes it away, each as one argument; `N:` in front of it is its weight; `@FILE` is an image
file or URL (`@-` standard input), `#ID` a stored image, with a sign or without.
"""

from __future__ import annotations

import os
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence

from imgvecd import api
from imgvecd.errors import BadRequestError
from imgvecd.spelling import on_disk

_WEIGHT = re.compile(r"(\d+(?:\.\d+)?):(?=\S)")
_HEAVIEST = 10.0
_STORED = re.compile(r"#[0-9]+")
# A minus that begins a term and no option or number: -people, -@photo.jpg, -#7, -2:people; not -n5
_NEGATIVE = re.compile(r"-(?!n\d+$)(?:[^\W\d][^=]|[^\x00-\x7f]|[@#]|\d+(?:\.\d+)?:\S)", re.DOTALL)
# Within one argument, as in the page's box: "beach -people", 'dog -2:"red car"'; not "a - b"
_WITHIN = re.compile(
    r"""\s[+-](?:\d+(?:\.\d+)?:(?=[^\s"])|(?=[^\W\d]|[^\x00-\x7f]))\S+"""
    r"""|\s[+-](?:\d+(?:\.\d+)?:)?"[^"]+\""""
)
_NUMBERS = re.compile(r"-[\d.]+(?:,-?[\d.]+)+")  # a place in the south: --near -33.8,151.2,5
_LAST_FLAGS = ("--", "--exec")  # what follows belongs to somebody else
_LIKE, _UNLIKE = 0.75, -0.25  # Rocchio's usual weights of relevance feedback
_URL = re.compile(r"https?://", re.IGNORECASE)
_MAX_BYTES = 64_000_000  # what the daemon takes by default
_TIMEOUT_S = 30.0


def protect_negatives(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with negative terms and places made safe from argparse.

    The terms go to the end, since argparse takes words from one place only.
    """
    protected: list[str] = []
    terms: list[str] = []
    for i, argument in enumerate(arguments):
        if argument in _LAST_FLAGS:
            return [*protected, *terms, *arguments[i:]]
        if _NEGATIVE.match(argument):
            terms.append(f"--term={argument}")
        elif _NUMBERS.fullmatch(argument) and protected and protected[-1].startswith("--"):
            protected[-1] += f"={argument}"
        else:
            protected.append(argument)
    return [*protected, *terms]


def terms_of(
    words: Sequence[str], signed: Sequence[str], like: Sequence[int], unlike: Sequence[int]
) -> tuple[str | None, tuple[api.Term, ...]]:
    """Return (plain text or None, the other terms).

    Args:
        words: as they stand on the command line.
        signed: further terms that begin with their sign.
        like, unlike: ids of images that a person found right, or wrong.

    Raises:
        BadRequestError: an image cannot be read, or a weight is out of range.
    """
    within = [term for word in (*words, *signed) for term in _WITHIN.findall(word)]
    words, signed = ([_WITHIN.sub("", word) for word in some] for some in (words, signed))
    plain = [word for word in words if not _is_term(word)]
    terms = [_term(word) for word in words if _is_term(word)]
    terms += [_term(word) for word in signed]
    terms += [_term(word.strip().replace('"', "")) for word in within]
    terms += [api.Term(id=i, weight=_LIKE / len(like)) for i in like]
    terms += [api.Term(id=i, weight=_UNLIKE / len(unlike)) for i in unlike]
    return _text(" ".join(plain)) or None, tuple(terms)


def read_image(path: str) -> bytes:
    """Return the bytes of an image: sent as such, the daemon need not be allowed to read it.

    Args:
        path: a file, an http(s) URL, or `-` for standard input.
    """
    try:
        if path == "-":
            data = sys.stdin.buffer.read(_MAX_BYTES + 1)
        elif _URL.match(path):
            with urllib.request.urlopen(path, timeout=_TIMEOUT_S) as answer:  # noqa: S310  # http(s) only
                data = answer.read(_MAX_BYTES + 1)
        else:
            with open(on_disk(os.fsencode(os.path.expanduser(path))), "rb") as file:
                data = file.read(_MAX_BYTES + 1)  # whatever its size is: /dev/zero has none
    except urllib.error.URLError as error:
        raise BadRequestError(f"{path}: {error.reason}") from error
    except (OSError, ValueError) as error:
        raise BadRequestError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if len(data) > _MAX_BYTES:
        raise BadRequestError(f"{path} is larger than {_MAX_BYTES:,} bytes")
    return data


def _is_term(word: str) -> bool:
    return len(word) > 1 and (
        word[0] in "+-@" or _STORED.fullmatch(word) is not None or _weight(word) is not None
    )


def _weight(word: str) -> float | None:
    """Return the weight in front of a term; "16:9" and the like are words."""
    match = _WEIGHT.match(word)
    return float(match[1]) if match and float(match[1]) <= _HEAVIEST else None


def _term(word: str) -> api.Term:
    sign, rest = (-1.0 if word[0] == "-" else 1.0), word.lstrip("+-")
    weight = _weight(rest)
    if weight is not None:
        rest = rest.partition(":")[2]
    weight = sign * (1.0 if weight is None else weight)
    if rest.startswith("@") and len(rest) > 1:
        return api.Term(data=read_image(rest[1:]), weight=weight)
    if _STORED.fullmatch(rest):
        return api.Term(id=int(rest[1:]), weight=weight)
    return api.Term(text=_text(rest), weight=weight)


def _text(words: str) -> str:
    # arguments that are not UTF-8 come as surrogates, which JSON cannot hold
    return os.fsencode(words).decode(errors="replace")
