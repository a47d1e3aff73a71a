"""Files by name as the embedder's work."""

import numpy as np
from pictures import draw

from imgvecd.core.indexing.listed_files import ListedFiles
from imgvecd.types import ImageInfo


def test_what_is_to_be_encoded_again_waits_again(tmp_path):
    names = [tmp_path / f"{number}.png" for number in range(3)]
    for number, name in enumerate(names):
        draw(name, number)
    work = ListedFiles(str(name).encode() for name in names)
    todo = work.contents_to_encode("model", 10, set())
    ids = [number for number, _ in todo]
    info, pixels = ImageInfo("png", 4, 4), {number: b"%d" % number for number in ids}
    rows = np.eye(3, dtype=np.float32)
    work.commit_embeddings("model", [(i, info) for i in ids], rows, [], pixels)
    assert work.contents_to_encode("model", 10, set()) == []
    assert work.encode_again("model", [pixels[ids[1]], b"another"]) == 1
    assert len(work.results()) == 2
    assert work.contents_to_encode("model", 10, set()) == [todo[1]]
    work.commit_embeddings("model", [(ids[1], info)], rows[2:], [], pixels)
    np.testing.assert_array_equal(work.results()[1].vector, rows[2])
