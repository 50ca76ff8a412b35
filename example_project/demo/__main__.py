"""``python -m example_project.demo [--once] [--short] [--port PORT]``."""

from __future__ import annotations

import argparse
import signal
import sys
from typing import TYPE_CHECKING

from example_project.demo import ports, stage
from example_project.demo.processes import ENDING, DidNotStart
from example_project.demo.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

#: Where the site listens, if nobody else does and no other port is asked for.
PORT = 8000


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the story; return 0 if every promise was kept, 1 if not."""
    options = _options(arguments)
    screen = Screen()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it in the background
    try:
        with stage.built(screen, options.port or ports.free(PORT)) as built:
            # It imports models, which Django allows once it is set up.
            from example_project.demo import performance  # noqa: PLC0415

            return performance.give(built, stay=not options.once, whole=not options.short)
    except DidNotStart as error:
        screen.failure(error)
        return 1
    except KeyboardInterrupt:
        screen.gap()
        screen.say("Everything that was started is stopped.")
        return 130


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m example_project.demo",
        description="A worker is killed, the mail server is down, and the import survives."
        " Then four workflows are played.",
    )
    parser.add_argument(
        "--once", action="store_true", help="end after the story instead of leaving the site up"
    )
    parser.add_argument(
        "--short", action="store_true", help="play the import only, without the workflows"
    )
    parser.add_argument(
        "--port", type=int, help=f"where the site listens (default: {PORT}, or any free one)"
    )
    options = parser.parse_args(arguments)
    if options.port and ports.answers(options.port):
        parser.error(f"port {options.port} is in use")
    return options


def _leave(number: int, _frame: FrameType | None) -> None:
    """End as at an error: everything is taken down on the way out, undisturbed."""
    for other in ENDING:
        signal.signal(other, signal.SIG_IGN)
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
