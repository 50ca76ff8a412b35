"""Pictures: what is refused, and what is made of the rest."""

from __future__ import annotations

import subprocess
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from example_project.demo import paintings
from example_project.shop import pictures

if TYPE_CHECKING:
    from pathlib import Path

RED, BLUE = (220, 20, 20), (20, 20, 220)


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def stored(folder: Path, content: bytes) -> Path:
    path = folder / "upload"
    path.write_bytes(content)
    return path


def made(folder: Path, content: bytes, size: int = 64) -> Image.Image:
    result = pictures.resize(pictures.check(stored(folder, content)), size, folder)
    return Image.open(result["path"]).convert("RGB")


def colour_at(picture: Image.Image, x: int, y: int) -> tuple[int, ...]:
    """Return a pixel's colour, as coarse as JPEG keeps it."""
    pixel = picture.getpixel((x, y))
    assert isinstance(pixel, tuple)
    return tuple(round(part / 50) * 50 for part in pixel)


def program(folder: Path, body: str) -> str:
    path = folder / "optimiser"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def one(tmp_path: Path) -> pictures.Made:
    checked = pictures.check(stored(tmp_path, encoded(Image.effect_noise((200, 200), 80))))
    return pictures.resize(checked, 256, tmp_path)


def test_a_good_picture_is_measured_and_named_after_its_content(tmp_path: Path) -> None:
    content = encoded(Image.new("RGB", (300, 200), RED))

    checked = pictures.check(stored(tmp_path, content))

    assert (checked["width"], checked["height"], len(checked["stem"])) == (300, 200, 16)
    assert pictures.check(stored(tmp_path, content)) == checked


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not a picture in JPEG, PNG, WEBP"),
        (b"<svg onload='alert(1)'/>", "not a picture"),
        (encoded(Image.new("RGB", (300, 300)), "GIF"), "not a picture"),
        (encoded(Image.effect_noise((300, 300), 80))[:-900], "damaged"),
        (encoded(Image.new("RGB", (300, 127))), "300 x 127 is too small"),
        (encoded(Image.new("1", (8000, 5001))), "8000 x 5001 is too many pixels"),
        (encoded(Image.new("1", (14_000, 14_000))), "too many pixels"),
    ],
    ids=["empty", "svg", "gif", "cut off", "small", "big", "bomb"],
)
def test_what_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = stored(tmp_path, content)

    with pytest.raises(pictures.BadPicture, match=complaint):
        pictures.check(path)


def test_a_picture_is_cut_around_its_middle(tmp_path: Path) -> None:
    wide = Image.new("RGB", (600, 200), RED)
    wide.paste(BLUE, (200, 0, 400, 200))

    square = made(tmp_path, encoded(wide))

    assert square.size == (64, 64)
    assert colour_at(square, 3, 32) == colour_at(square, 60, 32) == (0, 0, 200)


def test_a_picture_from_a_telephone_is_turned_upright(tmp_path: Path) -> None:
    picture = Image.new("RGB", (200, 200), RED)
    picture.paste(BLUE, (0, 0, 200, 100))  # the upper half
    exif = Image.Exif()
    exif[paintings.ORIENTATION] = 6  # the telephone was turned: shown, the upper is the right

    square = made(tmp_path, encoded(picture, "JPEG", exif=exif))

    assert (colour_at(square, 60, 32), colour_at(square, 3, 32)) == ((0, 0, 200), (200, 0, 0))


def test_what_was_transparent_is_white(tmp_path: Path) -> None:
    square = made(tmp_path, encoded(Image.new("RGBA", (200, 200), (0, 0, 0, 0))))

    assert square.getpixel((32, 32)) == (255, 255, 255)


def test_the_painting_of_the_demonstration_is_a_good_upload(tmp_path: Path) -> None:
    content = paintings.world([(47.46, 8.55), (-90.0, 180.0), (90.0, -180.0)])

    checked = pictures.check(stored(tmp_path, content))

    assert (checked["width"], checked["height"]) == (720, 1440)  # it lies on its side
    assert made(tmp_path, content, 512).size == (512, 512)


def test_made_twice_is_made_once(tmp_path: Path) -> None:
    content = encoded(Image.new("RGB", (200, 200), RED))

    made(tmp_path, content)
    made(tmp_path, content)

    assert sorted(path.suffix for path in tmp_path.iterdir()) == ["", ".jpg"]


def test_a_smaller_file_stands_beside_the_one_it_was_made_of(
    tmp_path: Path, one: pictures.Made
) -> None:
    small = pictures.optimise(one, program(tmp_path, "echo small"))

    assert small == {**one, "path": small["path"], "bytes": 6, "optimised": True}
    assert small["path"].endswith("-256-small.jpg")
    assert (tmp_path / "upload").exists()


def test_a_file_that_gets_no_smaller_stays(tmp_path: Path, one: pictures.Made) -> None:
    assert pictures.optimise(one, program(tmp_path, 'cat "$3"')) == one
    assert pictures.optimise(one, program(tmp_path, "true")) == one


def test_a_program_that_fails_or_is_not_there_is_an_error(
    tmp_path: Path, one: pictures.Made
) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        pictures.optimise(one, program(tmp_path, "exit 3"))
    with pytest.raises(FileNotFoundError):
        pictures.optimise(one, str(tmp_path / "nowhere"))
