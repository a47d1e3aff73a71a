import pytest

from imgvecd.core.timing.adaptive_batch import AdaptiveBatch


def run(pace, seconds_each, steps):
    for _ in range(steps):
        inputs = pace.step()
        pace.learn(inputs, inputs * seconds_each)
    return pace.step()


@pytest.mark.parametrize(
    ("step_s", "most", "seconds_each", "inputs"),
    [
        (0.08, 256, 0.005, 16),  # a small model's texts
        (0.8, 16, 0.012, 16),  # imgvecd-mini's images
        (0.8, 16, 0.13, 6),  # ViT-B-32 on an ordinary processor
        (0.8, 256, 0.0004, 256),  # a graphics card
        (0.8, 16, 2.0, 1),
    ],
)
def test_steps_grow_until_they_take_their_time_or_gain_nothing(step_s, most, seconds_each, inputs):
    assert run(AdaptiveBatch(step_s, most), seconds_each, 12) == inputs


def test_steps_shrink_when_it_gets_slower_and_recover():
    pace = AdaptiveBatch(0.08, 256)
    run(pace, 0.001, 12)
    assert run(pace, 0.02, 30) == 4
    assert run(pace, 0.001, 60) > 70


def test_a_short_last_part_does_not_shrink_the_step():
    pace = AdaptiveBatch(0.08, 256)
    before = run(pace, 0.005, 12)
    pace.learn(1, 0.005)
    assert pace.step() == before


def test_while_somebody_searches_steps_are_short_and_long_again_at_once():
    pace = AdaptiveBatch(0.8, 16)
    run(pace, 0.02, 12)
    assert pace.step(0.08) == 4
    pace.learn(4, 0.08)
    assert pace.step() == 16


def test_what_was_learnt_before_holds_from_the_first_step():
    pace = AdaptiveBatch(0.8, 16)
    pace.begin_with(8, 0.1)
    assert pace.step() == 8


@pytest.mark.parametrize(("seconds_each", "inputs"), [(0.3, 4), (0.5, 3), (2.0, 1)])
def test_a_step_that_leaves_cores_idle_may_take_twice_as_long(seconds_each, inputs):
    pace = AdaptiveBatch(0.8, 16, least=4)
    assert run(pace, seconds_each, 12) == inputs
    assert pace.step(0.08) == 1


@pytest.mark.parametrize(
    ("streams", "seconds_each", "inputs"),
    [
        (2, 0.15, 6),
        (2, 0.17, 4),
        (4, 0.15, 4),
        (4, 0.13, 8),
        (2, 2.0, 1),
        (4, 0.3, 2),
        (2, 0.012, 16),
    ],
)
def test_streams_get_equal_shares(streams, seconds_each, inputs):
    pace = AdaptiveBatch(0.8, 16)
    pace.streams = streams
    assert run(pace, seconds_each, 12) == inputs
    assert pace.step(3.5 * seconds_each) <= 3


def test_the_first_step_is_small_whatever_the_least():
    pace = AdaptiveBatch(0.8, 16, least=8)
    assert pace.step() == 4
