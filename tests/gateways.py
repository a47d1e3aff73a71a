"""`imgvec browse` as a process, for tests and benchmarks."""

import re
import subprocess
import sys
import threading

from running import DEADLINE_S


class Gateway:
    """`imgvec browse`, as a person starts it, over one daemon.

    Args:
        errors: a file for what it says on standard error.
    """

    def __init__(self, daemon, *arguments, errors=None):
        command = [sys.executable, "-m", "imgvecd.client.main", "browse", "--no-open", *arguments]
        self.process = subprocess.Popen(
            command, env=daemon.env, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        self.address = ""
        said = []
        while not self.address:
            line = self.process.stdout.readline()
            assert line, f"imgvec browse ended: {said}"
            said.append(line)
            found = re.search(r"http://\S+", line)
            self.address = found[0] if found else ""
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        self.host = self.address.split("/")[2]
        self.port = int(self.host.rpartition(":")[2])

    def close(self):
        self.process.terminate()
        self.process.wait(DEADLINE_S)
