"""The performance: the story is told, and the site stays open afterwards."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from django.core.management import call_command

from example_project.demo import site
from example_project.demo.story import Story
from example_project.demo.watching import Stuck

if TYPE_CHECKING:
    from example_project.demo.stage import Stage


def give(stage: Stage, *, stay: bool, whole: bool = True) -> int:
    """Play the story.

    Args:
        stage: What it is played on.
        stay: Leave the site running afterwards, until Ctrl-C.
        whole: Play the workflows too, and not the import only.

    Returns:
        0 if every promise was kept, 1 if not.
    """
    call_command("migrate", verbosity=0)
    story = Story(stage)
    with site.login() as login:
        try:
            story.play(login, whole=whole)
        except Stuck as error:
            stage.screen.failure(error)
            return 1
        if stay:
            story.point_around(login)
            _wait_for_ctrl_c()
    return 1 if story.promises.broken else 0


def _wait_for_ctrl_c() -> None:
    with suppress(KeyboardInterrupt):
        while True:
            time.sleep(3600)
