"""Texts that the text tower learns from besides captions: nouns, definitions, whole-word tokens."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from open_clip.tokenizer import SimpleTokenizer
from timm.data import ImageNetInfo

# The prompt in which CLIP (Radford et al. 2021) puts a bare noun.
PROMPT = "a photo of a {}"


@dataclass(frozen=True)
class Nouns:
    """ImageNet's vocabulary.

    Attributes:
        names: the distinct names of the 21,841 synsets.
        definitions: one WordNet gloss per synset.
        class_texts: of each of the 1,000 classifier classes, its synonyms (bare and in a prompt)
            and its gloss. The glosses tie classes to words that name none of them, such as
            "rocket", by which WordNet defines a missile.
    """

    names: tuple[str, ...]
    definitions: tuple[str, ...]
    class_texts: tuple[tuple[str, ...], ...]


def _synonyms(description: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in description.split(",") if name.strip())


def _definition(info: ImageNetInfo, index: int) -> str:
    detailed = info.index_to_description(index, detailed=True)
    return detailed.partition(": ")[2] or detailed


def _class_texts(info: ImageNetInfo, index: int) -> tuple[str, ...]:
    names = _synonyms(info.index_to_description(index))
    return (*names, *(PROMPT.format(name) for name in names), _definition(info, index))


def load_nouns() -> Nouns:
    """Read the synset names and definitions that timm ships."""
    wide, classes = ImageNetInfo("imagenet-22k"), ImageNetInfo("imagenet-1k")
    synsets = range(wide.num_classes())
    names = (name for index in synsets for name in _synonyms(wide.index_to_description(index)))
    definitions = (_definition(wide, index) for index in synsets)
    class_texts = (_class_texts(classes, index) for index in range(classes.num_classes()))
    return Nouns(tuple(dict.fromkeys(names)), tuple(dict.fromkeys(definitions)), tuple(class_texts))


def whole_words(tokenizer: SimpleTokenizer) -> dict[int, str]:
    """Return the vocabulary's entries that are a word or number of their own, by token id."""
    return {
        token_id: token.removesuffix("</w>")
        for token, token_id in tokenizer.encoder.items()
        if re.fullmatch(r"[a-z0-9]{2,}</w>", token)
    }


def fragments(captions: Sequence[str], rng: random.Random) -> list[str]:
    """Return a random run of one to five words of each caption: the length of a typical search."""
    found = []
    for caption in captions:
        words = caption.removesuffix(".").split()
        length = min(len(words), rng.randint(1, 5))
        start = rng.randint(0, len(words) - length)
        found.append(" ".join(words[start : start + length]))
    return found
