"""Pairs of images to score: photographs and drawn faces, and many ways to change them."""

import cv2
import numpy as np
from skimage import data

WIDTH, HEIGHT = 178, 218


def face(seed: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Draw something with the statistics of a photographed face: shading, edges, fine texture; h x w x 3 uint8."""
    rng = np.random.default_rng([1, seed])
    y, x = np.mgrid[:height, :width]
    x = (x - width / 2) / width + rng.normal(0, 0.02)
    y = (y - height / 2) / height + rng.normal(0, 0.02)
    image = np.empty((height, width, 3))
    image[:] = rng.uniform(20, 235, 3) + 60 * (x * rng.normal(0, 1) + y * rng.normal(0, 1))[..., None]

    def ellipse(cx, cy, rx, ry, colour, soft=0.004):
        inside = 1 / (1 + np.exp(np.clip((np.hypot((x - cx) / rx, (y - cy) / ry) - 1) / soft * min(rx, ry), -50, 50)))
        image[:] = image * (1 - inside[..., None]) + np.asarray(colour) * inside[..., None]

    skin = np.array([205, 160, 135]) * rng.uniform(0.5, 1.15)
    ellipse(0, -0.08, 0.36, 0.40, rng.uniform(10, 150, 3))
    strands = cv2.GaussianBlur(rng.normal(0, 1, (height, width)), (0, 0), sigmaX=0.7, sigmaY=5)
    image += 35 * (strands / strands.std())[..., None] * (np.hypot(x / 0.36, (y + 0.08) / 0.40) < 1)[..., None]
    ellipse(0, 0.02, 0.29, 0.36, skin)
    for side in (-1, 1):
        ellipse(side * 0.12, -0.06, 0.055, 0.02, (235, 235, 235), 0.005)
        ellipse(side * 0.12, -0.06, 0.02, 0.02, rng.uniform(10, 110, 3), 0.004)
        ellipse(side * 0.12, -0.11, 0.07, 0.012, skin * 0.4, 0.005)
    ellipse(0, 0.05, 0.035, 0.08, skin * 0.9, 0.02)
    ellipse(0, 0.19, 0.10, 0.025, (170, 70, 80), 0.006)
    image *= 1 + 0.25 * np.clip(rng.normal(0, 1) * x, -0.5, 0.5)[..., None]
    texture = rng.normal(0, 1, (height, width))
    texture = cv2.GaussianBlur(texture, (0, 0), 0.9) * 12 + cv2.GaussianBlur(texture, (0, 0), 3) * 40
    image += texture[..., None] * rng.uniform(0.5, 1)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def photographs(width: int = WIDTH, height: int = HEIGHT) -> list[np.ndarray]:
    """Return a face close by, the same person at a distance, and a cat's face, cut from scikit-image's own pictures."""
    person, cat = data.astronaut(), data.chelsea()
    parts = person[20:200, 140:287], person[:218, 130:308], cat[20:238, 150:328]
    return [cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA) for part in parts]


def _whole(image: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _moved(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    pixels = image.astype(np.float32)
    return _whole(cv2.warpPerspective(pixels, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE))


def _turn(degrees: float, scale: float, width: int, height: int) -> np.ndarray:
    turn = np.eye(3)
    turn[:2] = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, scale)
    return turn


def network_gradients(images: np.ndarray, seed: int) -> np.ndarray:
    """Return input gradients of a small convolutional network with random weights, scaled to max-abs 1."""
    import torch

    torch.manual_seed(seed)
    layers = []
    for inputs, outputs in ((3, 16), (16, 32), (32, 32)):
        layers += [torch.nn.Conv2d(inputs, outputs, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2)]
    network = torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.LazyLinear(1))
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float().div(128).sub(1).requires_grad_()
    gradient = torch.autograd.grad(network(pixels).sum(), pixels)[0]
    gradient = gradient / gradient.abs().amax((1, 2, 3), keepdim=True)
    return gradient.permute(0, 2, 3, 1).numpy()


def pairs(faces: int = 6, width: int = WIDTH, height: int = HEIGHT) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return kind -> (originals, perturbed), both n x h x w x 3 uint8; 16 kinds, 62 pairs an original.

    Half of the originals (three at most) are photographs.
    """
    kinds: dict[str, list] = {}
    photos = photographs(width, height)[: faces // 2]
    originals = np.stack(photos + [face(seed, width, height) for seed in range(faces - len(photos))])
    gradients = network_gradients(originals, 0)
    for k, image in enumerate(originals):
        rng = np.random.default_rng([2, k])
        plain = image.astype(np.float64)

        def add(kind, changed, image=image):
            kinds.setdefault(kind, []).append((image, _whole(changed)))

        for eps in (1, 2, 3, 4, 6, 8, 12, 16, 22, 30):
            add("sign noise", plain + eps * rng.choice([-1, 1], plain.shape))
        for eps in (2, 6, 15):
            add("sparse sign noise", plain + eps * rng.choice([-1, 0, 0, 0, 1], plain.shape))
        for sigma in (1, 3, 8):
            add("Gaussian noise", plain + rng.normal(0, sigma, plain.shape))
        for size in (3, 10):
            smooth = cv2.GaussianBlur(rng.normal(0, 1, plain.shape), (0, 0), size)
            add("smooth noise", plain + 6 * smooth / smooth.std())
        for eps in (1, 2, 4, 7, 12, 20):
            add("gradient sign", plain + eps * np.sign(gradients[k]))
        for eps in (3, 10, 25, 60, 120):
            add("gradient", plain + eps * gradients[k])
        for shift in (1, 2, 3, 5, 8, 11, 15):
            angle = rng.uniform(0, 2 * np.pi)
            matrix = np.eye(3)
            matrix[:2, 2] = np.rint(shift * np.array([np.cos(angle), np.sin(angle)]))
            add("translation", _moved(image, matrix))
        for shift in (0.3, 0.7, 1.4, 2.6):
            angle = rng.uniform(0, 2 * np.pi)
            matrix = np.eye(3)
            matrix[:2, 2] = shift * np.array([np.cos(angle), np.sin(angle)])
            add("sub-pixel translation", _moved(image, matrix))
        for degrees in (0.3, 1, 2, 4, 7):
            add("rotation", _moved(image, _turn(degrees * rng.choice([-1, 1]), 1, width, height)))
        for scale in (0.99, 1.03):
            add("scale", _moved(image, _turn(0, scale, width, height)))
        for _ in range(2):
            matrix = np.eye(3)
            matrix[2, :2] = rng.normal(0, 1e-4, 2)
            add("perspective", _moved(image, matrix))
        for step in (-40, -12, 7, 25):
            add("brightness", plain + step)
        for gain in (0.8, 1.15):
            add("contrast", (plain - 128) * gain + 128)
        for quality in (30, 80):
            code = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
            add("JPEG", cv2.imdecode(code, cv2.IMREAD_COLOR))
        for sigma in (0.6, 1.5):
            add("blur", cv2.GaussianBlur(plain, (0, 0), sigma))
        for degrees, eps in ((0.5, 2), (-1.5, 6), (2.5, 12)):
            moved = _moved(image, _turn(degrees, 1.01, width, height))
            add("moved and noisy", moved + eps * rng.choice([-1.0, 1.0], plain.shape))
    return {kind: tuple(np.stack(side) for side in zip(*members, strict=True)) for kind, members in kinds.items()}
