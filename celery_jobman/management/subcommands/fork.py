"""``manage.py jobman fork``: a new job like an old one, with other arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError

from celery_jobman import actions
from celery_jobman.core.redaction import preview
from celery_jobman.insight.wording import listed
from celery_jobman.management import arguments, selection, standing
from celery_jobman.runtime import signatures

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from celery_jobman.management.console import Console
    from celery_jobman.models import Job

HELP = "Enqueue a new job like an old one, with other arguments if given."


def add_arguments(parser: ArgumentParser) -> None:
    arguments.add_job(parser)
    parser.add_argument(
        "--args",
        dest="new_args",  # Django keeps the name "args" for itself
        type=arguments.json_list,
        metavar="JSON",
        help="all positional arguments anew, as a JSON list",
    )
    parser.add_argument(
        "--kwargs",
        dest="new_kwargs",
        type=arguments.json_object,
        metavar="JSON",
        help="all keyword arguments anew, as a JSON object",
    )
    parser.add_argument(
        "--arg",
        dest="changed",
        type=arguments.pair,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change one keyword argument and keep the others; may be given several times",
    )
    parser.add_argument(
        "--from-step", metavar="STEP", help="reuse the checkpoints before this step"
    )
    parser.add_argument(
        "--replaces",
        action="store_true",
        help="the new job stands for the old one, whose failure counts as addressed",
    )
    arguments.add_dry_run(parser)
    arguments.add_reason(parser)


def run(options: dict[str, Any], console: Console) -> None:
    original = selection.job(options["job"])
    args, kwargs = _edited(original, options)
    step = options["from_step"]
    reused = actions.plan_retry(original.id, step).reused if step else ()
    standing.import_tasks(console)
    if options["dry_run"]:
        _preview(original, args, kwargs, reused, console)
        return
    copy = actions.fork(
        original.id,
        args=args,
        kwargs=kwargs,
        from_step=step,
        replaces=options["replaces"],
        reason=options["reason"],
    )
    text = f"fork of {original.id}; {_outlook(original, reused)}"
    standing.write(copy, text, console, fork_of=original.id, reused=reused)


def _edited(job: Job, options: dict[str, Any]) -> tuple[list[Any] | None, dict[str, Any] | None]:
    if options["new_kwargs"] is not None and options["changed"]:
        raise CommandError("give either --kwargs or --arg, not both", returncode=2)
    kwargs = options["new_kwargs"]
    if options["changed"]:
        kwargs = {**job.arguments[1], **dict(options["changed"])}
    return options["new_args"], kwargs


def _preview(
    job: Job,
    args: list[Any] | None,
    kwargs: dict[str, Any] | None,
    reused: tuple[str, ...],
    console: Console,
) -> None:
    if args is not None or kwargs is not None:
        signatures.bind(job, args, kwargs)
    old_args, old_kwargs = job.arguments
    shown = preview(
        old_args if args is None else args, old_kwargs if kwargs is None else kwargs, length=1000
    )
    text = f"would be forked as {job.task}({shown}); {_outlook(job, reused)}"
    console.fact(f"{job.id}  {text}", id=job.id, preview=shown, reused=reused)


def _outlook(job: Job, reused: tuple[str, ...]) -> str:
    alone = "; stands alone, outside the workflow" if job.is_linked else ""
    return f"reuses {listed(reused)}{alone}"
