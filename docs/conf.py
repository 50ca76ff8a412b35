"""How Sphinx builds the documentation."""

from __future__ import annotations

from importlib.metadata import version as version_of

import django
from django.conf import settings

project = "celery-jobman"
author = "celery-jobman contributors"
copyright = f"2026, {author}"  # noqa: A001 - Sphinx wants this name
release = version = version_of(project)

# The reference is read from the docstrings, and models can be imported only in a set-up Django.
settings.configure(
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "celery_jobman"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    SECRET_KEY="only to build the documentation",  # noqa: S106 - it protects nothing
    USE_TZ=True,
)
django.setup()

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "changelog.d"]

# Every reference must resolve, except to what other projects document.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!celery_jobman\.).*")]

autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

myst_enable_extensions = ["colon_fence", "deflist", "tasklist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"{project} {release}"
