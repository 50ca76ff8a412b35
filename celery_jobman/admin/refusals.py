"""Refusals: what jobman's errors say to people, in their language.

An error itself speaks English, to logs and to the command line; it carries its values, and the
sentences here are made of them.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext as _

from celery_jobman import exceptions
from celery_jobman.insight.wording import listed
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def told(error: exceptions.JobmanError) -> str:
    """Return an error as a sentence in the reader's language.

    An error that no sentence was written for says itself, in English.
    """
    for kind in type(error).__mro__:
        if kind in SENTENCES:
            return SENTENCES[kind](error)
    return _("This could not be done: %(error)s") % {"error": error}


def _not_found(error: exceptions.JobNotFound) -> str:
    return _("There is no job %(job)s.") % {"job": error.reference}


def _moved_on(error: exceptions.TransitionRefused) -> str:
    text = _("The job has moved on (now %(state)s), and this is not possible any more.")
    return text % {"state": State(error.state).label}


def _unknown_step(error: exceptions.UnknownStep) -> str:
    values = {"step": error.step, "known": listed(error.known)}
    return _("The job has no step “%(step)s”. Its steps: %(known)s.") % values


def _unencodable(error: exceptions.UnencodableValue) -> str:
    values = {"what": error.what, "kind": type(error.value).__name__}
    return _("A value cannot be written as JSON: %(what)s is a %(kind)s.") % values


def _arguments(error: exceptions.ArgumentsRefused) -> str:
    values = {"task": error.task, "reason": error.reason}
    return _("The arguments do not fit %(task)s: %(reason)s") % values


def _mask(error: exceptions.MaskMoved) -> str:
    text = _(
        "The masked value at %(path)s has no stored value to stand for. Leave masked values"
        " where they were, or write the value itself."
    )
    return text % {"path": error.path}


def _unknown_task(error: exceptions.UnknownTask) -> str:
    text = _(
        "The task %(task)s is not registered in this process. Check that the app that defines it"
        " is in INSTALLED_APPS."
    )
    return text % {"task": error.task}


def _unwritable(error: exceptions.DatabaseUnwritable) -> str:
    text = _("The database does not accept writes now, so %(task)s was not started. Try again.")
    return text % {"task": error.task}


#: The sentence of each error that a verb of the admin can meet.
SENTENCES: Final[Mapping[type, Callable[[Any], str]]] = MappingProxyType(
    {
        exceptions.JobNotFound: _not_found,
        exceptions.TransitionRefused: _moved_on,
        exceptions.UnknownStep: _unknown_step,
        exceptions.UnencodableValue: _unencodable,
        exceptions.ArgumentsRefused: _arguments,
        exceptions.MaskMoved: _mask,
        exceptions.UnknownTask: _unknown_task,
        exceptions.DatabaseUnwritable: _unwritable,
    }
)
