"""Embeddings of millions of pictures on a Ray cluster, as shards that `imgvecd import` takes.

python examples/ray_encode.py --out /shared/shards --model imgvecd-mini /shared/photos...

Each actor is one model with its decoders, as `imgvecd encode-batch` has them; what a node that dies
had under way, Ray gives to another. All nodes see the pictures under the same paths. Needs
`pip install 'imgvecd[ray]'` on each node. With Dask: `map_partitions` of the same callable.
"""

from __future__ import annotations

import argparse
import os

import ray
import ray.data

from imgvecd.batch_encoder import BatchEncoder
from imgvecd.core.files.formats import is_image_name


def encode(folders: list[str], out: str, model: str, actors: int, batch_size: int) -> int:
    """Write the embeddings of all pictures in the folders to `out`; return how many files."""
    paths = [
        {"path": os.fsencode(os.path.join(folder, name))}
        for start in folders
        for folder, _, names in os.walk(start)
        for name in names
        if is_image_name(name)
    ]
    rows = ray.data.from_items(paths).repartition(max(1, len(paths) // batch_size))
    encoded = rows.map_batches(
        BatchEncoder,
        fn_constructor_args=(model,),
        compute=ray.data.ActorPoolStrategy(size=actors),
        num_cpus=1,
        batch_size=batch_size,
        batch_format="pyarrow",
    )
    encoded.write_parquet(out)
    return len(paths)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--out", required=True)
    parser.add_argument("--model", default="auto")
    parser.add_argument("--actors", type=int, default=2, help="one a graphics card, or node")
    parser.add_argument("--batch-size", type=int, default=256)
    options = parser.parse_args()
    ray.init(address=os.environ.get("RAY_ADDRESS"))
    where = options.folders, options.out, options.model, options.actors, options.batch_size
    print(f"{encode(*where):,} files, shards in {options.out}")


if __name__ == "__main__":
    main()
