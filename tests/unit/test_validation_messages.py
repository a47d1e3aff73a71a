"""What does not fit a struct is told with what would have."""

import msgspec
import pytest

from imgvecd import api
from imgvecd.validation_messages import validation_message


def said(value, shape, *, strict=True):
    with pytest.raises(msgspec.ValidationError) as raised:
        msgspec.convert(value, shape, strict=strict)
    return validation_message(raised.value, shape)


@pytest.mark.parametrize(
    ("value", "shape", "says"),
    [
        ({"txt": "a"}, api.SearchRequest, "did you mean `text`?"),
        ({"text": "a", "filters": {"tag": 1}}, api.SearchRequest, "filters: .*mean `tags`?"),
        (
            {"text": "a", "filters": {"any_of": [{}, {"min_ratings": 1}]}},
            api.SearchRequest,
            "filters.any_of[1]: .*did you mean `min_rating`?",
        ),
        ({"terms": [{"wieght": 1}]}, api.SearchRequest, "terms[0]: .*did you mean `weight`?"),
        ({"searches": [{"txt": "b"}]}, api.SearchBatch, "searches[0]: .*did you mean `text`?"),
        ({"image": {"Path": "/a"}}, api.SearchRequest, "image: .*did you mean `path`"),
        ({"qqqq": "a"}, api.SearchRequest, "there are text, image, terms, limit"),
        ({"a": 1}, api.Empty, "there are none."),
        ({"text": "a", "order": "best"}, api.SearchRequest, "order: .*'best'; one of .*newest"),
        (
            {"text": "a", "filters": {"none_of": [{"orientation": "up"}]}},
            api.SearchRequest,
            "filters.none_of[0].orientation: .*; one of landscape, portrait, square.",
        ),
        ({"kinds": ["same"]}, api.DuplicatesRequest, "kinds[0]: .*same_bytes, same_pixels"),
        ({"hashes": ["aa", "bb"], "decision": "x"}, api.DuplicateDecision, "keep_both"),
    ],
)
def test_the_nearest_fields_and_all_choices_are_told(value, shape, says):
    message = said(value, shape)
    position = 0
    for part in says.split(".*"):
        assert part in message[position:], message
        position = message.index(part, position)


def structs():
    return [
        kind
        for kind in vars(api).values()
        if isinstance(kind, type)
        and issubclass(kind, msgspec.Struct)
        and kind.__struct_config__.forbid_unknown_fields
    ]


@pytest.mark.parametrize("shape", structs(), ids=lambda shape: shape.__name__)
def test_a_slip_in_any_field_of_any_request_finds_it(shape):
    required = {
        field.encode_name: None for field in msgspec.structs.fields(shape) if field.required
    }
    for name in shape.__struct_fields__:
        with pytest.raises(msgspec.ValidationError) as raised:
            msgspec.convert({f"{name}x": None, **required}, shape)
        assert f"`{name}`" in validation_message(raised.value, shape)


def test_what_a_client_makes_long_is_cut():
    assert len(said({"x" * 100_000: 1}, api.SearchRequest)) < 2000


def test_what_a_struct_is_made_of_is_looked_at_once(monkeypatch):
    said({"txt": "a"}, api.TagRequest)
    monkeypatch.setattr(msgspec.inspect, "type_info", None)  # it takes milliseconds each time
    assert "did you mean `text`" not in said({"txt": "a"}, api.TagRequest)
