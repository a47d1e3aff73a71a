"""What `benchmarks.relevance` asks, and which photos it means by what people wrote of them."""

from __future__ import annotations

import collections
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks import captioned

# Subjects, with the words of captions that tell of them.
SUBJECTS: dict[str, str] = {
    "dog": "dog puppy puppie",
    "child": "child children kid boy girl toddler baby infant",
    "a man": "man men guy gentleman",
    "people": "person people man men woman women crowd group boy girl child children lady guy kid"
    " player adult",
    "water": "water ocean lake river pool sea pond wave splash stream swimming",
    "a woman": "woman women lady",
    "beach": "beach",
    "snow": "snow snowy ski skiing skier snowboard snowboarder",
    "bicycle": "bike bicycle biker bicyclist cyclist biking",
    "a ball": "ball football soccer basketball baseball tennis",
    "street": "street sidewalk city road",
    "grass": "grass grassy lawn",
    "a car": "car",
    "a horse": "horse",
    "baby": "baby infant toddler",
    "skateboard": "skateboard skateboarder skateboarding skater",
    "rock climbing": "climb climber climbing",
    "swimming pool": "pool",
    "soccer": "soccer",
    "basketball": "basketball",
    "mountain": "mountain",
    "boat": "boat kayak canoe raft sailboat",
    "surfer": "surf surfer surfing surfboard",
    "motorcycle": "motorcycle motorbike dirtbike motorcyclist dirt",
    "swing": "swing swinging",
    "playground": "playground slide swing",
    "sand": "sand sandy beach dune",
    "tent": "tent",
    "bench": "bench",
    "crowd": "crowd audience",
    "guitar": "guitar",
    "bird": "bird duck seagull pigeon goose",
    "tree": "tree forest wood branch",
    "hat": "hat cap",
    "fountain": "fountain sprinkler",
    "tennis": "tennis racket",
    "ice skating": "skate skating ice rink hockey",
    "hiking": "hike hiker hiking backpack",
    "bus": "bus",
    "train": "train subway",
    "frisbee": "frisbee",
    "wrestling": "wrestling wrestle wrestler",
    "baseball": "baseball",
    "food": "food eat eating cake meal pizza cream",
    "cliff": "cliff rock",
    "fishing": "fish fishing",
    "a sled": "sled sledding",
}

FREQUENT = tuple(SUBJECTS)[:12]
"""Subjects that people photograph most, each in some of a hundred of these photos."""

# Things that photos of people, dogs and the outdoors do not show.
ABSENT = (
    "a screenshot of a spreadsheet",
    "a giraffe",
    "a zebra",
    "a laptop on a desk",
    "a toilet",
    "a bowl of broccoli",
    "a passport",
    "a receipt",
    "a kitchen with a refrigerator",
    "an airplane in the sky",
    "a pizza",
    "sushi",
    "a traffic light",
    "a stop sign",
    "a vase with flowers",
    "a bathroom sink",
    "a teddy bear",
    "an elephant",
    "a bedroom",
    "a computer keyboard",
    "a clock tower",
    "a microwave oven",
    "a wine glass",
    "an x-ray",
    "the eiffel tower",
    "a penguin",
    "a spider",
    "a rocket launch",
    "galaxies",
    "the moon",
    "northern lights",
    "a diagram",
    "a map",
    "a coffee cup",
    "bananas",
    "a helicopter",
    "a tractor",
    "fireworks",
    "a lion",
    "a tiger",
    "a snake",
    "a castle",
    "a lighthouse",
)
NONSENSE = (
    "zzzqqq",
    "asdfgh qwerty",
    "xkcd blorp",
    "lorem ipsum dolor",
    "qwertyuiop",
    "fnord",
    "aaaaaaa",
    "12345 67890",
    "foo bar baz",
    "glorbnax",
    "hjkl",
    "snarfblat quux",
    "wibble wobble",
    "!!!???",
    "the of and",
    "null pointer exception",
    "sdfkjh sdkfjh",
    "mxyzptlk",
    "brrrt skree",
    "select * from users",
    "zxcvbnm",
    "plugh xyzzy",
    "0xdeadbeef",
    "ahgd kjwe oiuw",
)

# Words of captions that tell no subject: who, how many, what they wear, how they stand.
_GENERAL = captioned.words(
    """man men woman women boy girl people person child children guy lady kid group young old little
    small large big wearing wear standing stand sitting sit looking look white black red blue green
    yellow brown orange pink gray grey purple shirt outside holding front behind next side watch
    watches walking walk camera background hand head around along together taking take their shown
    several four five someone something top day doing very adult male female long short dark light
    colored bright dressed while"""
)
_STEM = 5  # letters: climb, climber, climbing


@dataclass(frozen=True)
class Case:
    """One query in one library.

    Attributes:
        kind: of the query; with a minus where the library has no match.
        library: places of its images among all.
        matches, doubtful: shape (len(library),); of doubtful images the captions do not agree.
            None where they are not known one by one.
    """

    kind: str
    text: str
    library: np.ndarray
    matches: np.ndarray | None = None
    doubtful: np.ndarray | None = None


class Study:
    """Draws libraries with and without what a query means.

    Args:
        captions: of each image.
        asked: that many images, the first, are asked for; others only fill large libraries.
    """

    def __init__(self, captions: Sequence[Sequence[str]], asked: int, seed: int = 0) -> None:
        self._captions = captions
        self._asked = asked
        self._random = np.random.default_rng(seed)
        self._words = [[captioned.words(text) for text in texts] for texts in captions]
        self._with_stem = collections.defaultdict(set)
        for image, texts in enumerate(self._words):
            for word in set().union(*texts):
                self._with_stem[word[:_STEM]].add(image)

    def cases(self, size: int, captions: int) -> Iterator[Case]:
        """Yield the cases of libraries of so many images, with so many captions."""
        for subject, words in SUBJECTS.items():
            yield from self._subject(subject, captioned.words(words), size)
        yield from self._own_words(size, captions)
        for kind, texts in (("absent-", ABSENT), ("nonsense-", NONSENSE)):
            for text in texts:
                yield Case(kind, text, self._draw(size, self._lack(text, captioned.words(text))))

    def _subject(self, subject: str, words: set[str], size: int) -> Iterator[Case]:
        told = np.array([sum(bool(words & text) for text in texts) for texts in self._words])
        library = self._draw(size, np.ones(len(told), bool))
        if (told[library] >= 2).any():
            yield Case("subject", subject, library, told[library] >= 2, told[library] == 1)
        without = self._draw(size, told == 0)
        if len(without) >= min(size, 300):
            yield Case("subject-", subject, without)

    def _own_words(self, size: int, count: int) -> Iterator[Case]:
        own = [(i, text) for i in range(self._asked) for text in self._captions[i]]
        for k in self._random.permutation(len(own)):
            image, text = own[k]
            subjects = captioned.words(text) - _GENERAL
            without = self._draw(size, self._lack(text, subjects))
            if len(subjects) < 2 or len(without) < min(size, 250):
                continue
            library = self._draw(size, np.ones(len(self._captions), bool))
            library[0] = image
            yield Case("caption", text, library)
            yield Case("caption-", text, without)
            count -= 1
            if not count:
                return

    def _lack(self, text: str, words: Iterable[str]) -> np.ndarray:
        """Return which images share no subject with a text: none of their captions has a word."""
        lack = np.ones(len(self._captions), bool)
        for word in set(words) - _GENERAL or set(re.findall("[a-z]+", text)):
            lack[list(self._with_stem[word[:_STEM]])] = False
        return lack

    def _draw(self, size: int, allowed: np.ndarray) -> np.ndarray:
        places = np.flatnonzero(allowed)
        first = self._random.permutation(places[places < self._asked])
        rest = self._random.permutation(places[places >= self._asked])
        return np.concatenate([first, rest])[:size]


def texts_of(cases: Iterable[Case]) -> list[str]:
    """Return every text that is asked, once."""
    return list(dict.fromkeys(case.text for case in cases))
