"""What `benchmarks.relevance` asks, and which photos it means by what people wrote of them."""

from __future__ import annotations

import collections
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks import captioned
from imgvecd.core.search.relevance import SMALLEST_LIBRARY

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

# What captions say of photos that may well show a subject which they do not name.
OPEN: dict[str, str] = {
    "dog": "animal pet hound",
    "child": "person people family teen teenager youth student someone",
    "a man": "person people player crowd group someone rider worker boy male adult couple family"
    " team teen teenager",
    "people": "someone team family couple player rider worker",
    "water": "beach shore swim swimmer surf surfer surfing boat kayak canoe raft wet fountain"
    " waterfall creek puddle underwater fishing wade wading rapid snorkel diver diving",
    "a woman": "person people player crowd group someone girl female adult couple family mother"
    " bride team teen teenager",
    "beach": "sand sandy ocean sea shore shoreline coast wave surf surfer surfing dune seaside",
    "snow": "sled sledding ice icy winter mountain slope",
    "bicycle": "cycle cycling rider racer race helmet bmx biking motorcycle trail",
    "a ball": "player game team play playing court goal kick kicking catch throw throwing"
    " volleyball rugby racket bat fetch pitch pitcher cricket hockey lacrosse bowling golf",
    "street": "car traffic pedestrian crosswalk curb pavement building town urban bus driving alley"
    " path parade",
    "grass": "field lawn park yard meadow pasture outdoors garden hill green dirt ground",
    "a car": "vehicle truck van taxi traffic street road driving parking race",
    "a horse": "rider rodeo jockey pony cowboy animal riding cart carriage polo",
    "baby": "child kid toddler boy girl stroller little",
    "skateboard": "skate skating ramp rail trick board",
    "rock climbing": "rock cliff mountain rope boulder canyon cave",
    "swimming pool": "swim swimming swimmer underwater diving dive splash goggle water slide",
    "soccer": "ball goal goalie kick kicking player football team game",
    "basketball": "ball court hoop player dunk team game sport",
    "mountain": "hill cliff rock rocky peak slope summit canyon ridge snow valley hiking climb"
    " climber climbing landscape volcano",
    "boat": "ship kayak canoe raft sail sailing rowing paddle paddling ferry yacht ski harbor"
    " dock rapid lake river water",
    "surfer": "wave wakeboard wakeboarder board ocean wetsuit bodyboard boogie kayak parasailing"
    " kitesurfing windsurfing windsurfer waterskiing",
    "motorcycle": "bike biker rider racer race vehicle motor atv quad scooter",
    "swing": "playground rope hanging",
    "playground": "park climbing play playing monkey equipment bar seesaw tunnel bouncy ladder",
    "sand": "desert shore ocean sea coast dirt surf volleyball",
    "tent": "camp camping campsite canopy tarp hut market booth festival shelter awning",
    "bench": "seat sit sitting park table bleacher",
    "crowd": "people group parade spectator fan concert stadium festival gathering protest rally"
    " market team stage street race",
    "guitar": "music musician instrument band play playing concert sing singing singer microphone"
    " stage",
    "bird": "wing flying animal parrot swan chicken feather eagle owl",
    "tree": "wooded leave leaf park log bush outdoors garden jungle autumn plant yard trail hill"
    " field mountain",
    "hat": "helmet hood beanie bandana cowboy costume headdress uniform bonnet headscarf turban",
    "fountain": "water spray statue waterfall splash hose jet",
    "tennis": "racquet court player game",
    "ice skating": "skater rink hockey snow roller rollerblade rollerblading skateboard"
    " skateboarder skateboarding",
    "hiking": "trail mountain hill climb climber climbing walk walking path rock trek backpacker"
    " cliff",
    "bus": "vehicle traffic truck van street",
    "train": "station track railroad railway platform rail passenger",
    "frisbee": "disc disk toy catch catching throw object",
    "wrestling": "fight fighting fighter boxing boxer karate martial match sumo tackle judo ring",
    "baseball": "ball bat softball pitcher base player game team field uniform glove cricket",
    "food": "restaurant table drink drinking fruit picnic cook cooking kitchen lunch dinner"
    " market grill bread vegetable apple chew lick ice candy snack bowl plate watermelon"
    " bite mouth birthday",
    "cliff": "mountain climb climber climbing boulder canyon waterfall ledge cave hill peak stone",
    "fishing": "pole net pier dock rod boat lake river",
    "a sled": "snow ski skiing slide",
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
        kind: of the query; with a minus where the library has no match, with two where it is that
            of the case with a match, less all that matches; with a question mark where no caption
            names one.
        library: places of its images among all.
        matches, doubtful: shape (len(library),); of doubtful images the captions do not agree, or
            leave it open.
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
        only_asked_match: of the others, none in a library shows the subject that is asked for.
    """

    def __init__(
        self,
        captions: Sequence[Sequence[str]],
        asked: int,
        seed: int = 0,
        *,
        only_asked_match: bool = False,
    ) -> None:
        self._captions = captions
        self._asked = asked
        self._only_asked_match = only_asked_match
        self._random = np.random.default_rng(seed)
        self._words = [[captioned.words(text) for text in texts] for texts in captions]
        self._with_stem = collections.defaultdict(set)
        for image, texts in enumerate(self._words):
            for word in set().union(*texts):
                self._with_stem[word[:_STEM]].add(image)

    def cases(self, size: int, captions: int) -> Iterator[Case]:
        """Yield the cases of libraries of so many images, with so many captions."""
        for subject, words in SUBJECTS.items():
            named, open_ = captioned.words(words), captioned.words(OPEN[subject])
            yield from self._subject(subject, named, open_, size)
        yield from self._own_words(size, captions)
        for kind, texts in (("absent-", ABSENT), ("nonsense-", NONSENSE)):
            for text in texts:
                yield Case(kind, text, self._draw(size, self._lack(text, captioned.words(text))))

    def _subject(self, subject: str, named: set[str], open_: set[str], size: int) -> Iterator[Case]:
        told = self._telling(named)
        open_to = (told == 1) | ((told == 0) & (self._telling(open_) > 0))
        library = self._draw(len(told), np.ones(len(told), bool))
        if self._only_asked_match:
            library = library[(library < self._asked) | ((told == 0) & ~open_to)[library]]
        library = library[:size]
        if (told[library] >= 2).any():
            yield Case("subject", subject, library, told[library] >= 2, open_to[library])
        for kind, allowed in (("subject-", (told == 0) & ~open_to), ("subject?", told == 0)):
            without = self._draw(size, allowed)
            if len(without) >= min(size, 300):
                yield Case(kind, subject, without)

    def _telling(self, words: set[str]) -> np.ndarray:
        """Return how many captions of each image have one of the words."""
        return np.array([sum(bool(words & text) for text in texts) for texts in self._words])

    def _own_words(self, size: int, count: int) -> Iterator[Case]:
        own = [(i, text) for i in range(self._asked) for text in self._captions[i]]
        for k in self._random.permutation(len(own)):
            image, text = own[k]
            subjects = captioned.words(text) - _GENERAL
            lack = self._lack(text, subjects)
            without = self._draw(size, lack)
            if len(subjects) < 2 or len(without) < min(size, 250):
                continue
            library = self._draw(size, np.ones(len(self._captions), bool))
            library[library == image] = library[0]  # no photo is in a library twice
            library[0] = image
            yield Case("caption", text, library)
            yield Case("caption-", text, without)
            rest = library[lack[library]]
            if len(rest) >= SMALLEST_LIBRARY:
                yield Case("caption--", text, rest)
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
