import numpy as np
import pytest
from embedding_source import unit_vectors

from imgvecd.core.index.packed_vectors import packed, unpacked
from imgvecd.core.index.segment_layer import Layer, count_bits, full_bitmap


class Rows:
    """A segment that can be looked at, not searched."""

    kind = "flat"

    def __init__(self, ids):
        self.ids = np.array(ids, np.int64)
        self.vectors = packed(unit_vectors(np.random.default_rng(1), len(ids), 8))


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9, 64, 1001])
def test_a_full_bitmap_has_a_bit_per_row_and_none_to_spare(rows):
    assert count_bits(full_bitmap(rows)) == rows


def test_hiding_makes_another_layer():
    layer = Layer(Rows(range(0, 30, 3)))
    hidden = layer.hide(np.array([3, 4, 27, 99]))
    assert len(layer) == 10
    assert len(hidden) == 8
    assert hidden.visible_rows().tolist() == [0, 2, 3, 4, 5, 6, 7, 8]
    assert hidden.hide(np.array([3])) is hidden


def test_hiding_rows_of_one_byte_hides_them_all():
    hidden = Layer(Rows(range(16))).hide(np.arange(8))
    assert hidden.visible_rows().tolist() == list(range(8, 16))


def test_rows_of_ids_leaves_out_hidden_and_unknown():
    layer = Layer(Rows([2, 5, 9])).hide(np.array([5]))
    rows, found = layer.rows_of(np.array([1, 2, 5, 9, 10]))
    assert found.tolist() == [False, True, False, True, False]
    assert rows[found].tolist() == [0, 2]


def test_restricted_to_allowed_and_visible():
    layer = Layer(Rows(range(20))).hide(np.array([4]))
    assert layer.restricted(np.array([3, 4, 5, 50])).visible_rows().tolist() == [3, 5]
    assert len(layer.restricted(np.array([3, 4, 5, 50]))) == 2


def test_equal_vectors_score_equally_wherever_they_stand():
    segment = Rows(range(1500))
    segment.vectors[:] = segment.vectors[7]
    query = unpacked(segment.vectors[3:4])[0]
    rows = np.array([0, 1, 511, 512, 513, 1499])
    assert len(set(Layer(segment).scores(query, rows).tolist())) == 1
