"""``manage.py`` commands; there is one, ``jobman``."""
