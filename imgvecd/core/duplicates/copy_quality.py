"""How well the copies of a picture were saved, as far as that makes a difference between them."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from imgvecd.core.duplicates.copies import CAMERA, Copy, is_comparable, said_by_camera
from imgvecd.core.duplicates.saved_from import fades, lies_on_steps, saved_from

LOSSLESS = 100
"""Quality of what lost nothing."""

SAME_QUALITY = 6
"""Differences that say nothing."""

# Formats that no camera writes: a picture in one is most likely a copy, however well saved.
_DERIVED = {"webp", "avif", "gif", "jpegxl", "jpeg2000"}
BEST_DERIVED = 74
"""Quality of the best copy that was made from something worse, or by way of another codec."""

# Above, pixels no longer show how a picture was saved before, so none is better than another.
_BEST_LOSSY = 88
_GOOD_OTHER = 60  # of other codecs, which bits per pixel tell roughly only
# Of a JPEG that its camera, or its owner, may have saved, by what its pixels remember: of 80, 79.
_GOOD = 79
_MOST_PAIRS = 5_000  # that are looked at in one group, some 0.1 ms each
_AS_WELL_EXPLAINED = 0.005
_TURNED = 10  # by a tag alone, without the camera's words
_DEEP = 8  # added for more than 8 bits a channel

_MADE = "made from another copy"
_NO_ORIGIN = "the others were made from another copy"
_ON_STEPS = "made by another program from a poorer JPEG"
_FADED = "fine detail and colours weaker than in another copy"


class Qualities:
    """About how well each copy was saved, as far as that makes a difference between them.

    Attributes:
        found: by image id, 1 to 100 and more.
        reasons: by image id, what a person should know of it that its file does not say.
    """

    def __init__(self, found: dict[int, int]) -> None:
        self.found = found
        self.reasons: dict[int, str] = {}

    def put_behind(self, one: int, quality: int, reason: str) -> None:
        """Make a copy clearly poorer than `quality`, if it is not so yet."""
        behind = quality - SAME_QUALITY - 1
        if behind < self.found[one]:
            self.found[one] = behind
            self.reasons[one] = reason


def qualities(copies: Sequence[Copy]) -> Qualities:
    """Return how well copies were saved; those that nothing is known of are left out."""
    known = {copy.image.id: copy for copy in copies if copy.facts is not None}
    told = any(said_by_camera(copy.image) for copy in known.values())
    found = {}
    for identity, copy in known.items():
        facts = copy.facts
        assert facts is not None  # noqa: S101  # above
        if copy.image.format == "raw":
            found[identity] = 2 * LOSSLESS
            continue
        quality = facts.worst_quality
        # a lossless file without the camera's words, beside one with them, was made from that
        original = (
            facts.lossless
            and facts.remembered == LOSSLESS
            and not (told and not said_by_camera(copy.image))
        )
        if not original:
            quality = min(quality, _BEST_LOSSY)
        # phones write HEIC, with all that they know; a tag to turn is what a camera leaves as well
        nameless = not any(name in copy.image.metadata for name in CAMERA)
        derived = copy.image.format in _DERIVED or (
            copy.image.format == "heif" and nameless and not _outlasts(copy, known.values())
        )
        if nameless and copy.image.metadata.get("orientation", 1) != 1:
            quality -= _TURNED
        if derived and not facts.lossless:
            quality = min(quality, BEST_DERIVED)
        found[identity] = quality + (_DEEP if _is_deep(copy) else 0)
    _level_the_same_pixels(known, found)
    judged = Qualities(found)
    _lower_what_was_made_from_others(known, judged)
    _lower_what_lies_on_steps_of_others(known, judged)
    _lower_what_faded(known, judged)
    _level_the_same_pixels(known, found)
    return judged


def _level_the_same_pixels(known: Mapping[int, Copy], found: dict[int, int]) -> None:
    """Make copies as good as each other that have the same pixels, in whatever file.

    That is as good as the one that says most, and as the worst of these. More than 8 bits a channel
    hold more, but not beside a lossy file of the same pixels: then they were made from that.
    """
    twins: defaultdict[bytes, list[int]] = defaultdict(list)
    for identity, copy in known.items():
        if copy.facts and copy.facts.pixels:
            twins[copy.facts.pixels].append(identity)
    for several in twins.values():
        lossy = any(not _is_lossless(known[each]) and not _is_deep(known[each]) for each in several)
        ids = [each for each in several if lossy or not _is_deep(known[each])]
        if not ids:
            continue
        said = max(said_by_camera(known[each].image) for each in ids)
        level = min(found[each] for each in ids if said_by_camera(known[each].image) == said)
        found.update(dict.fromkeys(ids, level))


def _lower_what_was_made_from_others(known: Mapping[int, Copy], judged: Qualities) -> None:
    """Put copies behind those of the same size that their own pixels show they were made from."""
    made, found = made_from(known), judged.found
    for origin in sorted(made, key=lambda each: -found[each]):
        for one in made[origin]:
            judged.put_behind(one, found[origin], _MADE)
    children = {one for ones in made.values() for one in ones}
    origins = [each for each in known if each not in children and made[each]]
    if origins:
        most = max(len(made[each]) for each in origins)
        strangers = [each for each in known if each not in children and 2 * len(made[each]) < most]
    else:  # nothing of a lossless file explains a good JPEG beside it
        origins = [each for each in known if _is_good_jpeg(known[each])]
        strangers = [each for each in known if _is_lossless(known[each])]
    for origin in sorted(origins, key=lambda each: (-len(made[each]), -found[each]))[:1]:
        for one in strangers:
            pair = known[origin], known[one]
            if is_comparable(*pair) and not (_is_lossless(known[one]) and _has_faded(*pair)):
                judged.put_behind(one, found[origin], _NO_ORIGIN)


def _lower_what_lies_on_steps_of_others(known: Mapping[int, Copy], judged: Qualities) -> None:
    """Put what another codec made of a coarse JPEG behind that, whose traces it hides."""
    jpegs = [each for each in known if known[each].image.format == "jpeg"]
    others = [each for each in known if not (_is_lossless(known[each]) or each in jpegs)]
    for one, jpeg in itertools.islice(itertools.product(others, jpegs), _MOST_PAIRS):
        copy, origin = known[one], known[jpeg]
        if (
            is_comparable(copy, origin)
            and said_by_camera(copy.image) <= said_by_camera(origin.image)
            and copy.facts
            and origin.facts
            and lies_on_steps(copy.facts, origin.facts)
        ):
            judged.put_behind(one, judged.found[jpeg], _ON_STEPS)


def made_from(known: Mapping[int, Copy]) -> dict[int, list[int]]:
    """Return by image id the copies that were saved from it, as far as that is sure."""
    explained: dict[int, dict[int, float]] = {identity: {} for identity in known}
    pairs = [
        pair
        for pair in itertools.islice(itertools.permutations(known, 2), _MOST_PAIRS)
        if is_comparable(known[pair[0]], known[pair[1]])
    ]
    for one, other in pairs:
        facts, others = known[one].facts, known[other].facts
        # a copy seldom has the camera's words that its original lacks
        doubtful = bool(said_by_camera(known[other].image) or not said_by_camera(known[one].image))
        share = saved_from(facts, others, doubtful=doubtful) if facts and others else 0.0
        explained[one] |= {other: share} if share else {}
    made: dict[int, list[int]] = {identity: [] for identity in known}
    for one, shares in explained.items():
        for origin, share in shares.items():
            if share > max(shares.values()) - _AS_WELL_EXPLAINED:
                made[origin].append(one)
    return made


def _lower_what_faded(known: Mapping[int, Copy], judged: Qualities) -> None:
    """Put copies behind others about as good, or well saved, of which they have less."""
    found = judged.found
    most = max(found.values(), default=0)
    best = [
        each
        for each, copy in known.items()
        if found[each] >= most - SAME_QUALITY or _is_well_saved(copy)
    ]
    faded = {
        one
        for one, other in itertools.islice(itertools.permutations(best, 2), _MOST_PAIRS)
        if is_comparable(known[one], known[other]) and _has_faded(known[one], known[other])
    }
    least = min((found[each] for each in best if each not in faded), default=most)
    for one in faded if len(faded) < len(best) else ():
        judged.put_behind(one, least, _FADED)


def _is_lossless(copy: Copy) -> bool:
    """Return whether it is, with no more than 8 bits a channel, which a JPEG has as well."""
    return copy.facts is not None and copy.facts.lossless and not _is_deep(copy)


def _is_deep(copy: Copy) -> bool:
    """Return whether it has more bits a channel than a JPEG."""
    return copy.facts is not None and copy.facts.depth > 8  # noqa: PLR2004


def _has_faded(one: Copy, other: Copy) -> bool:
    """Return whether one has less of the other's fine structure.

    A weak sign: it counts among well saved pictures in one orientation, and never against the
    camera's words.
    """
    if (
        one.facts is None
        or other.facts is None
        or (said_by_camera(one.image) and not said_by_camera(other.image))
    ):
        return False
    orientations = {each.image.metadata.get("orientation", 1) for each in (one, other)}
    well_saved = all(map(_is_well_saved, (one, other)))
    return len(orientations) == 1 and well_saved and fades(one.facts, other.facts)


def _outlasts(copy: Copy, others: Iterable[Copy]) -> bool:
    """Return whether there are well saved JPEGs of its size, and all have faded beside it."""
    beside = [
        each
        for each in others
        if each.image.format == "jpeg" and is_comparable(each, copy) and _is_well_saved(each)
    ]
    return bool(beside) and all(_has_faded(each, copy) for each in beside)


def _is_well_saved(copy: Copy) -> bool:
    """Return whether what it lost shows in the finest structure only."""
    least = _GOOD_OTHER if copy.image.format != "jpeg" else _GOOD
    return copy.facts is not None and copy.facts.worst_quality >= least


def _is_good_jpeg(copy: Copy) -> bool:
    return copy.image.format == "jpeg" and _is_well_saved(copy)
