"""`imgvecd` with threads that come and go all the time."""

import sys
import threading

from imgvecd.cli.main import main


def deep(levels):
    return deep(levels - 1) + 1 if levels else sum(range(50))


def churn():
    while True:
        thread = threading.Thread(target=deep, args=(20,))
        thread.start()
        thread.join()


if __name__ == "__main__":
    for _ in range(4):
        threading.Thread(target=churn, daemon=True).start()
    sys.exit(main())
