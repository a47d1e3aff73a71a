"""A catalog with as many images as wanted, in moments: files that are nowhere, given vectors."""

from imgvecd.types import FileChanges, FoundFile, ImageInfo, Stamp

ROOT = b"/photos"
PER_FOLDER = 1000
STEP = 10_000


def fill(catalog, model, vectors):
    """Add one image per row of `vectors` (n, dim), which `model` is said to have made."""
    catalog.models.activate([model])
    (root,) = catalog.files.set_roots([ROOT])
    for start in range(0, len(vectors), STEP):
        add_images(catalog, root.id, model, start, vectors[start : start + STEP])


def add_images(catalog, root_id, model, start, vectors):
    """Add files number `start` and on; content ids are file numbers + 1, as made in order."""
    found = [
        (
            root_id,
            b"%05d" % (i // PER_FOLDER),
            FoundFile(b"%08d.jpg" % i, Stamp(3_000_000, i, i + 1, i)),
        )
        for i in range(start, start + len(vectors))
    ]
    catalog.files.apply(FileChanges(added=tuple(found)))
    pending = sorted(catalog.work.pending_files(len(found)), key=lambda file: file.id)
    catalog.work.link_contents([(file, file.name.ljust(32)) for file in pending])
    ids = sorted(
        i for i, _ in catalog.work.contents_to_encode(model.fingerprint, len(found), set())
    )
    encoded = [(i, ImageInfo("jpeg", 4000, 3000)) for i in ids]
    catalog.work.commit_embeddings(model.fingerprint, encoded, vectors, [])
    return ids
