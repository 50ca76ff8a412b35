"""A picture to upload: the world, as its airports draw it."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Final

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterable

#: EXIF's tag for how a camera was held, and the value for "turned a quarter".
ORIENTATION: Final = 0x0112
_TURNED: Final = 8
_WIDTH, _HEIGHT = 1440, 720


def world(places: Iterable[tuple[float, float]]) -> bytes:
    """Return a JPEG with a dot for each latitude and longitude.

    It lies on its side and says so, as pictures from a telephone do.
    """
    picture = Image.new("RGB", (_WIDTH, _HEIGHT), "#0c4b33")
    for latitude, longitude in places:
        x = int((longitude + 180) / 360 * (_WIDTH - 1))
        y = int((90 - latitude) / 180 * (_HEIGHT - 1))
        picture.putpixel((x, y), (255, 255, 255))
    exif = Image.Exif()
    exif[ORIENTATION] = _TURNED
    out = BytesIO()
    picture.transpose(Image.Transpose.ROTATE_270).save(out, "JPEG", quality=95, exif=exif)
    return out.getvalue()
