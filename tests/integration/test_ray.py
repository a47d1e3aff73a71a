"""The Ray Data example on two nodes of this machine, and its shards in a library."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest
from commands_run import ran
from kept_state import keep_state

ROOT = Path(__file__).parents[2]
PHOTOS = ROOT / "tests" / "data" / "photos"
CLUSTER = """
import os, runpy, sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
cluster.add_node(num_cpus=2)
os.environ["RAY_ADDRESS"] = cluster.address
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
import ray
print(len(ray.nodes()), "nodes")
ray.shutdown()
cluster.shutdown()
"""

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.timeout(600),
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed"),
]


def test_two_nodes_encode_what_a_library_takes_over(tmp_path):
    env = {
        **{key: value for key, value in os.environ.items() if not key.startswith("XDG_")},
        "HOME": str(tmp_path),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    keep_state(tmp_path / ".local" / "state" / "imgvecd-encoders", catalog=False)
    script = tmp_path / "cluster.py"
    script.write_text(CLUSTER)
    out = tmp_path / "shards"
    example = [ROOT / "examples" / "ray_encode.py", PHOTOS, "--out", out, "--batch-size", 4]
    said = ran(sys.executable, script, *example, "--model", "imgvecd-mini", env=env, timeout=550)
    count = len(list(PHOTOS.glob("*.jpg")))
    assert f"{count} files" in said
    assert "2 nodes" in said
    taken = ran(sys.executable, "-m", "imgvecd.cli.main", "import", out, env=env)
    assert f"{count} images imported, of imgvecd-mini" in taken
