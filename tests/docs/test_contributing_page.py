"""What CI, pre-commit and the pages run is what the Makefile has."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def commands_of(target):
    """Return what a target runs of the virtual environment, without options that only mend."""
    recipe = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)[1]
    return re.findall(r"^\t\$\(BIN\)/(.*)$", recipe, re.MULTILINE)


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "README.md", ".ci/run", "ARCHITECTURE.md"])
def test_every_target_that_is_named_exists(page):
    text = (ROOT / page).read_text()
    named = set(re.findall(r"(?:^|`|&& |exec |    )make ([a-z][a-z-]*)", text, re.MULTILINE))
    assert named
    assert named <= TARGETS


def test_ci_runs_the_checks_and_all_but_the_nightly_tests():
    script = (ROOT / ".ci" / "run").read_text()
    assert re.findall(r"^(?:exec )?make (.*)$", script, re.MULTILINE) == [
        "check",
        "test",
        "test-long",
    ]
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    steps = [step.get("run", "") for step in workflow["jobs"]["test"]["steps"]]
    assert steps[-1] == "bash .ci/run"
    assert "LOCK=" not in "".join(steps)  # the versions that are locked


def test_a_commit_is_checked_as_make_check_does():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    entries = {hook["entry"].removeprefix(".venv/bin/").removesuffix(" --fix") for hook in hooks}
    wanted = commands_of("check")
    assert len(wanted) > 5
    assert entries == {re.sub(r"( --check)? \.$", "", command) for command in wanted}
