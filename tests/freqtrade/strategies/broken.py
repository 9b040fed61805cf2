"""A file that cannot be imported."""

import no_such_package  # noqa: F401


class Broken:
    """Never seen."""
