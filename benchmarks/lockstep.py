"""Plain batching of the plain method: attempts that start together make their passes together and wait for the slowest.

`faceflip.attacks.plain` asks its network for one image at a time. Here every attempt of a batch has a thread of its
own, and what it takes for the network hands the image over and waits. Once all wait, one pass serves those that wait
for the same thing, padded to the full shape. Only one thread runs at a time: the others wait for it.
"""

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from faceflip.attacks import plain

Ask = Callable[[str, Tensor], Tensor]
"""Called by an attempt with what it waits for (`SCORES` and so on) and its tensor (1, ...); returns the answer."""

SCORES, GRADIENT, VERDICT = "scores to differentiate", "gradient", "scores alone"
ENDED = "ended"


def lockstep(network: nn.Module, images: np.ndarray, rows: int, **options: Any) -> list[plain.Attempt]:
    """Attack images (N, H, W, 3) in batches of `rows`; the options are the other arguments of `plain.attack`."""
    results: list[plain.Attempt] = []
    for start in range(0, len(images), rows):
        results += _batch(network, images[start : start + rows], rows, options)
    return results


def _batch(network: nn.Module, images: np.ndarray, rows: int, options: dict[str, Any]) -> list[plain.Attempt]:
    requests: SimpleQueue = SimpleQueue()
    answers = [SimpleQueue() for _ in images]

    def attempt(place: int) -> None:
        def ask(wanted: str, tensor: Tensor) -> Tensor:
            requests.put((place, wanted, tensor))
            return answers[place].get()

        def shared(image: Tensor) -> Tensor:
            return _Pass.apply(image, ask) if image.requires_grad else ask(VERDICT, image)

        try:
            result = plain.attack(shared, images[place], **options)
        except Exception as error:  # raised again where the results are wanted
            result = error
        requests.put((place, ENDED, result))

    waiting: dict[str, dict[int, Any]] = defaultdict(dict)

    def proceed(begin: Callable[[], None]) -> None:
        begin()
        place, wanted, content = requests.get()
        waiting[wanted][place] = content

    for place in range(len(images)):
        proceed(Thread(target=attempt, args=(place,)).start)
    leaf = scores = None
    while len(waiting[ENDED]) < len(images):
        for wanted in (SCORES, GRADIENT, VERDICT):
            if not (asking := waiting.pop(wanted, {})):
                continue
            if wanted == SCORES:
                leaf = _gathered(asking, rows).requires_grad_()
                scores = network(leaf)
                found = scores.detach()
            elif wanted == GRADIENT:
                (found,) = torch.autograd.grad(scores, leaf, _gathered(asking, rows))
            else:
                with torch.inference_mode():
                    found = network(_gathered(asking, rows))
            for place in asking:
                proceed(partial(answers[place].put, found[place : place + 1]))
    for result in waiting[ENDED].values():
        if isinstance(result, Exception):
            raise result
    return [waiting[ENDED][place] for place in range(len(images))]


def _gathered(asking: dict[int, Tensor], rows: int) -> Tensor:
    """Return a batch with the tensors (1, ...) of those that ask in their places, the others zero."""
    shape = next(iter(asking.values())).shape[1:]
    batch = torch.zeros(rows, *shape)
    if len(shape) == 3:
        batch = batch.to(memory_format=torch.channels_last)
    for place, tensor in asking.items():
        batch[place] = tensor[0].detach()
    return batch


class _Pass(torch.autograd.Function):
    """Scores of one image and the gradient of what is propagated back, both from passes that others make."""

    @staticmethod
    def forward(context: Any, image: Tensor, ask: Ask) -> Tensor:
        """Ask for the scores."""
        context.ask = ask
        return ask(SCORES, image)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Ask for the gradient."""
        return context.ask(GRADIENT, gradient), None
