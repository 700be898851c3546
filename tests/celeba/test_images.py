import io

import cv2
import numpy as np
import pytest
from celeba_forms import SmallCelebA
from PIL import Image

from faceflip.data.celeba import HEIGHT, WIDTH
from faceflip.data.celeba.contents import UnreadableError
from faceflip.data.celeba.decoding import decode_into

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
    ],
)
def test_images_that_cannot_be_used(data, reason):
    with pytest.raises(UnreadableError) as error:
        decode(data)
    assert str(error.value).startswith(reason)
