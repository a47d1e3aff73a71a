"""The owner of a NAS: no desktop, programs on the PATH, a service to be."""

import re

import newcomer
import pytest

pytestmark = pytest.mark.long


@pytest.mark.usefixtures("kept")
def test_from_the_link_to_the_service(terminal, home):
    quiet = {"HF_HUB_OFFLINE": "1"}
    shell = terminal(environment=quiet)
    link = re.search(r"^it is `(ln -s .*)`\.$", newcomer.README, re.MULTILINE)[1]
    shell.run(f"mkdir -p ~/.local/bin; {link}")
    shell.run("export PATH=$PATH:$HOME/.local/bin")

    shell.run("imgvecd serve", "`imgvecd init ~/Pictures`")
    shell.run("imgvecd init ~/Nowhere", "Nowhere is not a folder")
    shell.type(newcomer.printed("imgvecd init"))
    shell.wait_for("600 MB", "[y/n, Enter: later]")
    shell.send("n\r")
    shown = shell.wait_for("Start the daemon with `imgvecd serve`")
    assert str(home / ".config" / "imgvecd" / "imgvecd.yaml") in shown.replace("\n", "")
    shown = shell.run(newcomer.printed("imgvecd check-config"), "roots:")
    assert "model_download: never" in shown
    shell.run("imgvecd install-service --dry-run", "imgvecd.service", "ExecStart=")

    daemon = terminal(environment={**quiet, "PATH": f"{home}/.local/bin:/usr/bin:/bin"})
    daemon.type(newcomer.printed("imgvecd serve"))
    count = len(list((home / "Pictures").rglob("*.jpg")))
    daemon.wait_for("listening on")
    shell.run("imgvec sync --timeout 240", "can be found")
    shell.run("imgvec status", f"{count} indexed")
    shell.run("imgvec health", "ok")
    shown = shell.run(newcomer.printed("imgvecd doctor"), "healthy")
    assert re.search(rf"\b{count}\b", shown)
    shell.run('imgvec search "a cup of coffee" --limit 1', "coffee.jpg")
    shell.run(newcomer.printed("imgvec failures"))
    shell.run("imgvecd stop", "systemctl --user stop imgvecd")
    shown = shell.run(newcomer.printed("imgvecd check  "), "imgvecd:")
    assert "stop it first" in shown

    daemon.interrupt()
    shell.run("imgvecd check", "sound")
    shell.run("imgvec status", "start it with: `imgvecd serve`")
