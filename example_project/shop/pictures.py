"""Pictures: is an upload one, and the sizes that are made of it.

Files get their names when they are complete, and the names are made from what was uploaded.
So whatever is done twice writes the same file again.
"""

from __future__ import annotations

import hashlib
import subprocess
from io import BytesIO
from pathlib import Path
from typing import Final, TypedDict

from PIL import Image, ImageOps, UnidentifiedImageError

#: Sides of the squares that are shown, in pixels.
SIZES: Final = (64, 256, 512)
#: What an upload may be.
FORMATS: Final = ("JPEG", "PNG", "WEBP")
#: A smaller picture would have to be blown up, a bigger one fills the memory of a worker.
LEAST_SIDE: Final = 128
MOST_PIXELS: Final = 40_000_000
#: Seconds that an optimiser may take.
_PATIENCE: Final = 30


class BadPicture(ValueError):
    """An upload is no picture that can be shown."""


class Checked(TypedDict):
    """A good upload."""

    path: str
    #: Begins the names of the files that are made of it.
    stem: str
    width: int
    height: int


class Made(TypedDict):
    """A file that may be published."""

    size: int
    path: str
    bytes: int
    optimised: bool


def check(path: Path) -> Checked:
    """Make sure that a file is a whole picture of a kind and size that can be shown.

    Raises:
        BadPicture: It is not; the message is for whoever uploaded it.
        FileNotFoundError: There is no such file.
    """
    content = path.read_bytes()
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as picture:
            _measure(picture)
            picture.load()  # a file that was cut off opens all the same
            width, height = picture.size
    except UnidentifiedImageError as error:
        raise BadPicture(f"not a picture in {', '.join(FORMATS)}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadPicture("too many pixels") from error
    except (OSError, SyntaxError) as error:  # what Pillow raises for a damaged file
        raise BadPicture(f"damaged: {error}") from error
    stem = hashlib.sha256(content).hexdigest()[:16]
    return {"path": str(path), "stem": stem, "width": width, "height": height}


def _measure(picture: Image.Image) -> None:
    width, height = picture.size
    if width * height > MOST_PIXELS:
        raise BadPicture(f"{width} x {height} is too many pixels")
    if min(width, height) < LEAST_SIDE:
        raise BadPicture(f"{width} x {height} is too small; a side must have {LEAST_SIDE}")


def resize(checked: Checked, size: int, folder: Path) -> Made:
    """Make a square of an upload: upright, cut around its middle, on white."""
    with Image.open(checked["path"], formats=FORMATS) as picture:
        upright = ImageOps.exif_transpose(picture).convert("RGBA")
    square = ImageOps.fit(upright, (size, size))
    canvas = Image.new("RGB", square.size, "white")
    canvas.paste(square, mask=square)
    out = BytesIO()
    canvas.save(out, "JPEG", quality=90)
    target = folder / f"{checked['stem']}-{size}.jpg"
    _write(target, out.getvalue())
    return {"size": size, "path": str(target), "bytes": out.tell(), "optimised": False}


def optimise(made: Made, program: str) -> Made:
    """Let a program make a file smaller; what it read is not touched.

    Args:
        made: The file.
        program: Called as ``jpegoptim`` is, with ``--stdout`` and the path; it writes a JPEG.

    Returns:
        The smaller file; the one that was given if the program does not make it any smaller.

    Raises:
        OSError: The program is not there.
        subprocess.SubprocessError: It ended with an error, or took too long.
    """
    path = Path(made["path"])
    command = [program, "--strip-all", "--stdout", str(path)]
    done = subprocess.run(command, capture_output=True, check=True, timeout=_PATIENCE)  # noqa: S603 - set by the project
    if not done.stdout or len(done.stdout) >= made["bytes"]:
        return made
    target = path.with_name(f"{path.stem}-small.jpg")
    _write(target, done.stdout)
    return {**made, "path": str(target), "bytes": len(done.stdout), "optimised": True}


def _write(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".part")
    partial.write_bytes(content)
    partial.replace(target)
