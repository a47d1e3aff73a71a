"""`imgvecd manual`: man pages of both programs and of every command.

Made from the very parsers that `--help` is made from. Own code: argparse-manpage sets an epilog as
one paragraph, leaves a dot at the start of a line to roff, and links no page to those of commands.
"""

from __future__ import annotations

import argparse
import os
import textwrap
import time
from collections.abc import Iterator
from typing import Any

import imgvecd
from imgvecd.client.program import parser as imgvec_parser
from imgvecd.errors import ConfigError
from imgvecd.terminal_output import say

# Where `man` looks for a user's own pages, without further ado.
_DEFAULT = "~/.local/share/man/man1"
_WIDE = 10_000  # characters: usage is not to be broken into lines before `man` does it
_NARROW = 60  # characters of a line of roff, before escapes make it longer


def add_parser(commands: Any) -> None:  # noqa: ANN401  # argparse's own type is private
    """Add the command."""
    command = commands.add_parser(
        "manual",
        help="write man pages of imgvec and imgvecd",
        description="Write man pages of imgvec, imgvecd and their commands: afterwards "
        "`man imgvec-search` shows them.",
    )
    command.add_argument(
        "dir", metavar="DIR", nargs="?", default=_DEFAULT, help="where to (default: %(default)s)"
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the pages."""
    folder = os.path.expanduser(options.dir)
    written = pages(options.program)
    try:
        os.makedirs(folder, exist_ok=True)
        for name, text in written.items():
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}.") from error
    say(f"Wrote {len(written)} pages to {folder}.")
    return 0


def pages(program: argparse.ArgumentParser) -> dict[str, str]:
    """Return the pages by file name, such as "imgvec-search.1"."""
    found = {}
    for parser in (imgvec_parser(), program):
        for names, summary, command in _commands(parser, (parser.prog,), parser.description or ""):
            found[f"{'-'.join(names)}.1"] = "\n".join(_page(names, summary, command)) + "\n"
    return found


def _commands(
    parser: argparse.ArgumentParser, names: tuple[str, ...], summary: str
) -> Iterator[tuple[tuple[str, ...], str, argparse.ArgumentParser]]:
    """Yield (words of the command, what it is for, its parser), itself and all below."""
    yield names, summary, parser
    for name, about, command in _below(parser):
        yield from _commands(command, (*names, name), about)


def _below(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    for action in parser._actions:  # noqa: SLF001  # argparse has no public list
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  # nor a public class
            about = {choice.dest: choice.help or "" for choice in action._choices_actions}  # noqa: SLF001
            for name, command in action.choices.items():
                yield name, about.get(name, ""), command


def _page(names: tuple[str, ...], summary: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    title = "-".join(names)
    made_at = time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time())))
    date, version = time.strftime("%Y-%m-%d", made_at), f"imgvecd {imgvecd.__version__}"
    yield f'.TH {title.upper()} 1 "{date}" "{version}" "User Commands"'
    yield from (".SH NAME", rf"{_text(title)} \- {_text(summary.rstrip('.'))}")
    yield from (".SH SYNOPSIS", f".B {_text(' '.join(names))}", _text(_usage(parser, names)))
    yield from (".SH DESCRIPTION", _text(parser.description or summary))
    for group in parser._action_groups:  # noqa: SLF001  # argparse has no public list
        actions = [a for a in group._group_actions if a.help != argparse.SUPPRESS]  # noqa: SLF001
        if actions:
            yield f".SH {_heading(group.title or 'options')}"
        for action in actions:
            yield from _option(parser, action, names)
    if parser.epilog:
        yield from (".SH NOTES", ".nf", *map(_line, parser.epilog.strip().splitlines()), ".fi")
    yield ".SH SEE ALSO"
    others = (
        ["imgvec", "imgvecd", "-".join(names[:-1])] if len(names) > 1 else ["imgvec", "imgvecd"]
    )
    others += [f"{title}-{name}" for name, _, _ in _below(parser)]
    seen = dict.fromkeys(other for other in others if other != title)
    yield ",\n".join(rf".BR {_text(other)} (1)" for other in seen).replace(" (1),", " (1) ,")


def _option(
    parser: argparse.ArgumentParser, action: argparse.Action, names: tuple[str, ...]
) -> Iterator[str]:
    if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  # no public class
        for name, about, _ in _below(parser):
            yield from (".TP", rf"\fB{_text(' '.join((*names, name)))}\fR", _text(about))
        return
    formatter = parser._get_formatter()  # noqa: SLF001  # there is no public way to these texts
    shown = formatter._format_action_invocation(action)  # noqa: SLF001
    about = formatter._expand_help(action) if action.help else ""  # noqa: SLF001
    yield from (".TP", rf"\fB{_text(shown)}\fR", _text(about) or r"\&")


def _usage(parser: argparse.ArgumentParser, names: tuple[str, ...]) -> str:
    """Return the arguments as `--help` shows them, without the command itself."""
    formatter = argparse.HelpFormatter(prog="", width=_WIDE)
    groups = parser._mutually_exclusive_groups  # noqa: SLF001  # argparse has no public list
    formatter.add_usage(None, parser._actions, groups, prefix="")  # noqa: SLF001
    return formatter.format_help().strip().removeprefix(" ".join(names)).strip()


def _heading(title: str) -> str:
    return _text({"positional arguments": "arguments"}.get(title, title).upper())


def _text(text: str) -> str:
    """Return running text as roff, escaped and in short lines."""
    lines = textwrap.wrap(text, _NARROW, break_long_words=False, break_on_hyphens=False)
    return "\n".join(map(_line, lines))


def _line(text: str) -> str:
    escaped = text.replace("\\", r"\e").replace("-", r"\-").replace("~", r"\(ti")
    escaped = escaped.replace("^", r"\(ha").replace("`", r"\(ga").replace("'", r"\(aq")
    return rf"\&{escaped}" if escaped.startswith(".") else escaped
