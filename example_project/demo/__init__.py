"""The demonstration: a worker is killed and the mail server is down, and the import survives.

``python -m example_project.demo`` starts a broker, a worker and the site, plays the story of
:mod:`example_project.demo.story` in the terminal, and leaves the site running.
"""
