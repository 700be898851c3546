"""Small results of every stage, to notice when they change.

Run as a script, this writes golden.json anew: do so after raising a stage's number in faceflip/workflow/versions.py.
"""

import json
import sys
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np

GOLDEN = Path(__file__).with_name("golden.json")


def _rounded(values, digits=4):
    return [float(f"{value:.{digits}g}") for value in np.ravel(np.asarray(values, dtype=float))]


def _images(count=6):
    """Smooth colourful images, 32 wide and 36 high."""
    rows, columns = np.mgrid[0:36, 0:32]
    phases = np.arange(count * 3).reshape(count, 1, 1, 3)
    waves = np.sin(rows[None, ..., None] / 5 + phases) + np.cos(columns[None, ..., None] / (3 + phases % 4))
    return (127 + 60 * waves).clip(0, 255).astype(np.uint8)


def _network(loss="euclidean"):
    from faceflip.networks.architecture import ArchitectureOptions
    from faceflip.networks.network import NetworkSpec, build

    architecture = ArchitectureOptions(width=0.0625, initialisation="msra", input_scale=1 / 64)
    return build(NetworkSpec(loss, ("Smiling",), (32, 36), architecture), seed=1).eval()


def synthesize_faces():
    import cv2

    from faceflip.data.synthetic import write_celeba

    with tempfile.TemporaryDirectory() as folder:
        write_celeba(Path(folder, "faces"), train=3, validation=1, test=1, seed=1)
        text = Path(folder, "faces", "list_attr_celeba.txt").read_text()
        faces = [cv2.imread(str(path)) for path in sorted(Path(folder, "faces", "img_align_celeba").glob("*.jpg"))]
    blocks = [cv2.resize(face, (3, 4), interpolation=cv2.INTER_AREA) for face in faces]
    return {"blocks": _rounded(np.stack(blocks) // 8 * 8), "labels": text.split()[41:]}


def pack_dataset():
    import cv2

    from faceflip.data import celeba
    from faceflip.data.packed import open_dataset
    from faceflip.data.packing import pack_dataset as pack
    from faceflip.data.sample import draw_sample

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / celeba.IMAGES).mkdir()
        lines = ["6", " ".join(celeba.ATTRIBUTES)]
        for number, image in enumerate(_images(), start=1):
            large = cv2.resize(image, (celeba.WIDTH, celeba.HEIGHT), interpolation=cv2.INTER_NEAREST)
            cv2.imwrite(str(folder / celeba.IMAGES / f"{number}.png"), large)
            lines.append(f"{number}.png " + " ".join("1" if (number + k) % 2 else "-1" for k in range(40)))
        (folder / celeba.ANNOTATIONS).write_text("\n".join(lines))
        (folder / celeba.PARTITION).write_text("".join(f"{k}.png {max(k - 4, 0)}\n" for k in range(1, 7)))
        manifest = pack(folder, folder / "d.h5", (44, 54))
        with mock.patch("faceflip.data.sample.derive", lambda seed, _: seed):  # the golden draw is from the seed itself
            sample = draw_sample(open_dataset(folder / "d.h5"), "paper", "train", 3, seed=5)
    return {"fingerprint": manifest["fingerprint"], "sample": sample["image"].tolist()}


def train():
    from faceflip.networks.inference import scores
    from faceflip.training.feed import LabelledImages
    from faceflip.training.hyperparameters import TrainingOptions
    from faceflip.training.loop import Training

    network, images = _network(), _images(32)
    labels = np.where(np.arange(32) % 3, 1, -1).astype(np.int8)[:, None]
    examples = LabelledImages(images, np.arange(32), labels)
    options = TrainingOptions(batch_size=8, learning_rate=1e-4, max_epochs=2)
    history = Training(network, examples, examples, options, seed=1).run()
    return {
        "loss": _rounded([record.loss for record in history], 3),
        "scores": _rounded(scores(network, images[:4]), 2),
    }


def predict():
    from faceflip.networks.inference import scores

    return {name: _rounded(scores(_network(name), _images())) for name in ("euclidean", "softmax")}


def attack():
    import torch

    from faceflip.attacks import attack as run
    from faceflip.catalogue import PAPER_ATTACKS

    class Linear(torch.nn.Module):
        def __init__(self):
            super().__init__()
            weights = torch.sin(torch.arange(36 * 32 * 3, dtype=torch.float32)).view(1, -1) / 64
            self.weights = torch.nn.Parameter(weights)

        def forward(self, images):
            return (images / 255).flatten(1) @ self.weights.T + 0.3

    results = {name: run(Linear(), _images(), name) for name in PAPER_ATTACKS}
    return {
        name: {"epsilon": _rounded(result.epsilon, 5), "changed": np.abs(result.perturbation).sum((1, 2, 3)).tolist()}
        for name, result in results.items()
    }


def score():
    from faceflip.similarity import pass_scores

    images = _images()
    noise = np.random.default_rng(0).integers(-6, 7, images.shape)
    scores = pass_scores(images, (images + noise).clip(0, 255).astype(np.uint8), engine="cpu", threads=1)
    return {"pass": _rounded(scores.pass_, 5), "ssim": _rounded(scores.ssim, 5), "status": scores.status.tolist()}


STAGES = {
    "synthesize_faces": synthesize_faces,
    "pack_dataset": pack_dataset,
    "train": train,
    "predict": predict,
    "attack": attack,
    "score": score,
}


def main():
    """Write the golden results of all stages."""
    from faceflip.workflow.versions import VERSIONS

    content = {stage: {"version": VERSIONS[stage], "results": results()} for stage, results in STAGES.items()}
    GOLDEN.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
    main()
