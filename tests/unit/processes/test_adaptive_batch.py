from imgvecd.processes.adaptive_batch import AdaptiveBatch


def run(pace, seconds_each, steps):
    for _ in range(steps):
        inputs = pace.step()
        pace.learn(inputs, inputs * seconds_each)
    return pace.step()


def test_steps_grow_until_they_take_80_ms():
    assert run(AdaptiveBatch(), 0.005, 12) == 16


def test_slow_models_go_one_by_one():
    assert run(AdaptiveBatch(), 2.0, 3) == 1


def test_steps_shrink_when_it_gets_slower_and_recover():
    pace = AdaptiveBatch()
    run(pace, 0.001, 12)
    assert run(pace, 0.02, 30) == 4
    assert run(pace, 0.001, 60) > 70


def test_a_short_last_part_does_not_shrink_the_step():
    pace = AdaptiveBatch()
    before = run(pace, 0.005, 12)
    pace.learn(1, 0.005)
    assert pace.step() == before
