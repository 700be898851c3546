"""Images that a user names: the same pixels whichever way they are stored, or a reason why not."""

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps
from typer.testing import CliRunner

from faceflip.cli.app import app
from faceflip.cli.images import read_image
from faceflip.errors import UserError

NOISE = np.random.default_rng(0).integers(0, 256, (30, 20, 3), np.uint8)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_images_stand_upright_as_exif_says(tmp_path, form, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(NOISE).save(tmp_path / "face", form, exif=exif, **({"lossless": True} if form == "WEBP" else {}))
    read = read_image(tmp_path / "face")
    with Image.open(tmp_path / "face") as file:
        np.testing.assert_array_equal(read, np.asarray(ImageOps.exif_transpose(file)))
    assert read.shape == ((30, 20, 3) if orientation < 5 else (20, 30, 3))
    if form != "JPEG" and orientation == 6:
        np.testing.assert_array_equal(read, cv2.rotate(NOISE, cv2.ROTATE_90_CLOCKWISE))


def test_the_same_face_turned_by_its_tag_is_the_same_face(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(NOISE).save(tmp_path / "upright.png")
    Image.fromarray(NOISE).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "turned.png"), read_image(tmp_path / "upright.png"))


@pytest.mark.parametrize("mode", ["L", "P", "1"])
def test_grey_images_and_palettes_are_read(tmp_path, mode):
    image = Image.fromarray(NOISE).convert(mode)
    image.save(tmp_path / "face.png")
    np.testing.assert_array_equal(read_image(tmp_path / "face.png"), np.asarray(image.convert("RGB")))


def test_a_photograph_with_a_preview_behind_it_is_one_picture(tmp_path):
    Image.fromarray(NOISE).save(tmp_path / "face.jpg", "MPO", save_all=True, append_images=[Image.new("RGB", (4, 6))])
    with Image.open(tmp_path / "face.jpg") as file:
        assert (file.format, file.n_frames) == ("MPO", 2)
    assert read_image(tmp_path / "face.jpg").shape == NOISE.shape


def deep(path):
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 1 << 16, (30, 20, 3), np.uint16))


def deep_grey(path):
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 1 << 16, (30, 20), np.uint16))


def saved(mode, **options):
    return lambda path: Image.fromarray(NOISE).convert(mode).save(path, **options)


SECOND = {"save_all": True, "append_images": [Image.new("RGB", (20, 30), "red")]}


@pytest.mark.parametrize(
    ("name", "write", "told"),
    [
        ("deep.png", deep, "has 16 bits a channel, where 8 are expected"),
        ("deep.tiff", deep, "has 16 bits a channel, where 8 are expected"),
        ("grey.png", deep_grey, "has 16 bits a channel, where 8 are expected"),
        ("seen.png", saved("RGB", transparency=(1, 2, 3)), "has transparency (mode RGB)"),
        ("seen_grey.png", saved("L", transparency=7), "has transparency (mode L)"),
        ("seen_palette.png", saved("P", transparency=7), "has transparency (mode P)"),
        ("alpha.png", saved("RGBA"), "has transparency (mode RGBA)"),
        ("moving.png", saved("RGB", **SECOND), "holds 2 pictures (an animation, or pages), where one is expected"),
        ("moving.gif", saved("RGB", **SECOND), "holds 2 pictures"),
        ("moving.webp", saved("RGB", lossless=True, **SECOND), "holds 2 pictures"),
        ("pages.tiff", saved("RGB", **SECOND), "holds 2 pictures"),
        ("printed.jpg", saved("CMYK"), "is of mode CMYK"),
        ("face.ppm", saved("RGB"), "not an image that can be read: PNG, JPEG, BMP, GIF, WEBP, TIFF"),
        ("cut.png", lambda path: path.write_bytes(cv2.imencode(".png", NOISE)[1].tobytes()[:200]), "cannot be read"),
        ("none.png", lambda path: None, "no such file"),
    ],
)
def test_images_that_cannot_be_used(tmp_path, name, write, told):
    write(tmp_path / name)
    with pytest.raises(UserError) as error:
        read_image(tmp_path / name)
    assert str(error.value).startswith(f"{tmp_path / name}: ")
    assert told in str(error.value)


def test_pass_does_not_call_different_images_of_16_bits_identical(tmp_path):
    noise = np.random.default_rng(0).integers(0, 1 << 16, (30, 20, 3), np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), noise)
    cv2.imwrite(str(tmp_path / "b.png"), (noise & 0xFF00) | (noise & 0x00FF) // 2)
    result = CliRunner().invoke(app, ["pass", str(tmp_path / "a.png"), str(tmp_path / "b.png")])
    assert isinstance(result.exception, UserError)
    assert "16 bits" in str(result.exception)
