"""What the machine says of itself (implements `Machine`), and priorities on it. Needs psutil."""

from __future__ import annotations

import contextlib
import os
import threading

import psutil

from imgvecd.types import Priority

_POWER_SUPPLIES = "/sys/class/power_supply"
_LOWEST = 7  # of the levels of the best-effort class


class ThisMachine:
    """Battery and load. Thread-safety: one thread at a time.

    Args:
        power_supplies: Linux's folder of them; where there is none, nothing is on battery.
    """

    def __init__(self, power_supplies: str = _POWER_SUPPLIES) -> None:
        self._power_supplies = power_supplies
        self._busy_s, self._own_s, self._all_s = _times()

    def on_battery(self) -> bool:
        """Return whether a battery of the machine, not of a mouse, is being used up."""
        with contextlib.suppress(OSError):
            supplies = [
                os.path.join(self._power_supplies, name)
                for name in os.listdir(self._power_supplies)
            ]
            return any(
                _read(supply, "type") == "Battery"
                and _read(supply, "scope") != "Device"
                and _read(supply, "status") == "Discharging"
                for supply in supplies
            )
        return False

    def other_load(self) -> float:
        """Return the share (0 to 1) of all cores that other programs used since the last call.

        The load average would count our own threads too, and those that wait for others of ours.
        """
        busy_s, own_s, all_s = _times()
        others_s = busy_s - self._busy_s - (own_s - self._own_s)
        passed_s = all_s - self._all_s
        self._busy_s, self._own_s, self._all_s = busy_s, own_s, all_s
        return min(max(others_s / passed_s, 0.0), 1.0) if passed_s > 0 else 0.0


def lower(priority: Priority) -> None:
    """Give the calling thread that priority, and with it whatever it starts from now on.

    On Linux alone a thread has one of its own; what the system refuses stays as it is.
    """
    thread = psutil.Process(threading.get_native_id())
    with contextlib.suppress(psutil.Error, OSError):
        thread.nice(max(thread.nice(), priority.niceness))
    with contextlib.suppress(psutil.Error, OSError):
        if priority.disk == "idle":
            thread.ionice(psutil.IOPRIO_CLASS_IDLE)
        elif priority.disk == "low":
            thread.ionice(psutil.IOPRIO_CLASS_BE, _LOWEST)


def _read(supply: str, name: str) -> str:
    try:
        with open(os.path.join(supply, name), encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except OSError:  # not every kind of supply has every file
        return ""


def _times() -> tuple[float, float, float]:
    """Return seconds of processor time, of all cores: (busy, our own, all there was)."""
    times = psutil.cpu_times()
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # part of "user"
    all_s = sum(times) - guests
    busy_s = all_s - times.idle - getattr(times, "iowait", 0.0)
    own_s = 0.0
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        with contextlib.suppress(psutil.Error):  # it has just ended, and counts as the parent's
            own_s += sum(process.cpu_times()[:4])
    return busy_s, own_s, all_s
