import io
import zlib

import cv2
import numpy as np
import pytest
from celeba_forms import SmallCelebA
from PIL import Image, ImageOps

from faceflip.data.celeba import HEIGHT, WIDTH
from faceflip.data.celeba.contents import UnreadableError
from faceflip.data.celeba.decoding import decode_into, size_of

FACES = SmallCelebA()
JPEG, PNG = FACES.jpegs["000001.jpg"], FACES.pngs["000001.png"]


def decode(data):
    image = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    decode_into(image, data)
    return image


def encoded(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def picture(mode, size=(WIDTH, HEIGHT)):
    return Image.new(mode, size)


def tagged(form, orientation, size=(WIDTH, HEIGHT)):
    """Return a noise picture with EXIF's tag, as it is to be seen at this size."""
    exif = Image.Exif()
    exif[274] = orientation
    noise = np.random.default_rng(orientation).integers(
        0, 256, (*(size if 5 <= orientation <= 8 else size[::-1]), 3), np.uint8
    )
    return encoded(Image.fromarray(noise), form, exif=exif)


def deep(bits=16):
    """Return a PNG of 16 bits a channel, whose low bytes Pillow would drop."""
    noise = np.random.default_rng(0).integers(0, 1 << bits, (HEIGHT, WIDTH, 3), np.uint16)
    return cv2.imencode(".png", noise)[1].tobytes()


def animated():
    return encoded(picture("RGB"), "PNG", save_all=True, append_images=[Image.new("RGB", (WIDTH, HEIGHT), "red")])


@pytest.mark.parametrize("data", [JPEG, PNG], ids=["JPEG", "PNG"])
def test_pixels_are_those_of_opencv(data):
    np.testing.assert_array_equal(decode(data), cv2.imdecode(np.frombuffer(data, np.uint8), 1)[:, :, ::-1])


@pytest.mark.parametrize("data", [JPEG, PNG], ids=["JPEG", "PNG"])
def test_no_truncated_image_passes(data):
    for length in range(1, len(data) - 1, max(len(data) // 200, 1)):
        with pytest.raises(UnreadableError):
            decode(data[:length])


def test_damage_is_found_that_other_decoders_pass_over():
    at = len(JPEG) // 2
    damaged = JPEG[:at] + b"\xff\xd9" + JPEG[at + 2 :]  # the mark of an image's end in its middle
    assert cv2.imdecode(np.frombuffer(damaged, np.uint8), 1) is not None, "why another decoder was chosen"
    with pytest.raises(UnreadableError, match="cannot be decoded to its end"):
        decode(damaged)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"<html><body>Quota exceeded</body></html>", "is a web page"),
        (b"GIF89a", "is neither JPEG nor PNG"),
        (JPEG[: len(JPEG) // 2], "cannot be decoded to its end (Premature end of JPEG file"),
        (PNG[: len(PNG) // 2], "cannot be decoded to its end"),
        (PNG[: len(PNG) // 2] + b"\xff" + PNG[len(PNG) // 2 + 1 :], "cannot be decoded to its end"),
        (b"\xff\xd8\xff" + bytes(100), "cannot be decoded to its end"),
        (encoded(picture("RGB", (100, 120)), "JPEG"), "has 100 x 120 pixels instead of 178 x 218"),
        (encoded(picture("RGB", (218, 178)), "PNG"), "has 218 x 178 pixels instead of 178 x 218"),
        (encoded(picture("L"), "JPEG"), "is not RGB but Gray"),
        (encoded(picture("CMYK"), "JPEG"), "is not RGB but CMYK"),
        (encoded(picture("RGBA"), "PNG"), "is not RGB but RGBA"),
        (encoded(picture("L"), "PNG"), "is not RGB but L"),
        (encoded(picture("P"), "PNG"), "is not RGB but P"),
        (deep(), "has 16 bits a channel, where 8 are expected"),
        (encoded(picture("RGB"), "PNG", transparency=(0, 0, 0)), "has transparency (mode RGB)"),
        (animated(), "holds 2 pictures (an animation, or pages), where one is expected"),
        (tagged("JPEG", 6, (HEIGHT, WIDTH)), "has 218 x 178 pixels instead of 178 x 218"),
        (tagged("PNG", 6, (HEIGHT, WIDTH)), "has 218 x 178 pixels instead of 178 x 218"),
    ],
)
def test_images_that_cannot_be_used(data, reason):
    with pytest.raises(UnreadableError) as error:
        decode(data)
    assert str(error.value).startswith(reason)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_images_stand_upright_as_exif_says(form, orientation):
    data = tagged(form, orientation)
    with Image.open(io.BytesIO(data)) as file:
        expected = np.asarray(ImageOps.exif_transpose(file))
    np.testing.assert_array_equal(decode(data), expected)
    np.testing.assert_array_equal(decode(data), cv2.imdecode(np.frombuffer(data, np.uint8), 1)[:, :, ::-1])
    assert size_of(data) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
def test_a_tag_without_a_meaning_turns_nothing(orientation):
    plain = Image.open(io.BytesIO(data := tagged("JPEG", orientation)))
    np.testing.assert_array_equal(decode(data), np.asarray(plain))


def test_a_damaged_tag_turns_nothing():
    data = encoded(picture("RGB"), "JPEG", exif=b"Exif\0\0" + b"II*\0\xff\xff\xff\xff" + bytes(20))
    assert not decode(data).any()


def test_a_png_file_may_be_tagged_behind_its_pixels():
    exif = Image.Exif()
    exif[274] = 3
    tag = b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = (len(tag) - 4).to_bytes(4, "big") + tag + zlib.crc32(tag).to_bytes(4, "big")
    end = PNG.index(b"IEND") - 4
    np.testing.assert_array_equal(decode(PNG[:end] + chunk + PNG[end:]), decode(PNG)[::-1, ::-1])


def test_an_image_has_the_size_that_is_asked_for():
    image = np.empty((20, 10, 3), np.uint8)
    decode_into(image, encoded(picture("RGB", (10, 20)), "PNG"))
    assert size_of(b"nothing") is None
    with pytest.raises(UnreadableError, match="has 178 x 218 pixels instead of 10 x 20"):
        decode_into(image, JPEG)
