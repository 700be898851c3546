"""Attacks as users and libraries write them: good ones, random ones, and what is wrong with others."""

import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch.nn import functional

SEEN = []
"""What `looks` was called with."""


def value_and_gradient(network, images):
    """Return the decision values and their gradients."""
    images = images.clone().requires_grad_()
    logits = network(images)
    value = (logits[:, 1] - logits[:, 0]) / 2
    return value.detach(), torch.autograd.grad(value.sum(), images)[0]


def projection(network, images, decisions, beyond=1.001):
    """The nearest image on the other side of a linear boundary, and a little further."""
    value, gradient = value_and_gradient(network, images)
    return images - (beyond * value / gradient.square().sum())[:, None, None, None] * gradient


def nearly(network, images, decisions):
    """Not quite as far as that."""
    return projection(network, images, decisions, beyond=0.5)


def nowhere(network, images, decisions):
    return images


def steps(model, inputs, labels, targeted=False, steps=10, size=2 / 255):
    """Steps along the sign of the cross-entropy's gradient, called as adv-lib's attacks are."""
    sign = -1 if targeted else 1
    delta = torch.zeros_like(inputs, requires_grad=True)
    for _ in range(steps):
        loss = sign * functional.cross_entropy(model(inputs + delta), labels, reduction="sum")
        delta.data += size * torch.autograd.grad(loss, delta)[0].sign()
        delta.data += inputs
        delta.data.clamp_(0, 1).sub_(inputs)
    return (inputs + delta).detach()


def uneven(network, images, decisions):
    """Some images take longer than others."""
    return steps(network, images, decisions, steps=2 + 20 * int(decisions))


def drawn(network, images, decisions, tries=6, seed=None, size=0.2):
    """The smallest of a few random steps down a gradient, drawn from every generator that there is."""
    _, gradient = value_and_gradient(network, images)
    way = (1 - 2 * decisions)[:, None, None, None] * gradient.sign()
    own = np.random.default_rng(seed)
    best = images + size * way
    for _ in range(tries):
        length = size * random.random() * np.random.rand() * float(torch.rand(())) * own.random() ** 0.1  # noqa: NPY002
        candidate = (images + length * way + 0.002 * torch.randn_like(images)).clamp(0, 1)
        if network(candidate).argmax(1) != decisions:
            best = candidate
            size = length
    return best


def ties(network, images, decisions):
    """Halves of pixel values, which rounding decides by even and odd."""
    _, gradient = value_and_gradient(network, images)
    way = (1 - 2 * decisions)[:, None, None, None] * gradient.sign()
    return images + way * (torch.arange(images.numel()).view_as(images) % 7 + 0.5) / 255


def many(network, images, decisions):
    """Asks for several images at once, with gradients and without, and returns three of them."""
    lengths = torch.tensor([0.01, 0.05, 0.2], device=images.device)[:, None, None, None]
    _, gradient = value_and_gradient(network, images)
    candidates = images + lengths * (1 - 2 * decisions)[:, None, None, None] * gradient.sign()
    value_and_gradient(network, candidates)
    with torch.no_grad():
        network(candidates)
    return candidates.cpu().numpy()


def looks(network, images, decisions):
    """Tell what it is given."""
    with torch.no_grad():
        SEEN.append((images.clone(), decisions.clone(), network(images).clone()))
    return images


def in_place(network, images, decisions):
    images += 30 / 255 * (1 - 2 * decisions)[:, None, None, None] * value_and_gradient(network, images)[1].sign()
    return images


def in_double(network, images, decisions):
    return in_place(network, images.double(), decisions)


def beyond(network, images, decisions):
    """Not clipped."""
    return images + 0.9 * (1 - 2 * decisions)[:, None, None, None] * value_and_gradient(network, images)[1].sign()


def no_number(network, images, decisions):
    return images * torch.nan


def infinite(network, images, decisions):
    return images + torch.inf


def wrong_shape(network, images, decisions):
    return images[..., 1:]


def of_pixels(network, images, decisions):
    return images * 255


def of_bytes(network, images, decisions):
    return (images * 255).to(torch.uint8)


def a_pair(network, images, decisions):
    return images, decisions


def nothing(network, images, decisions):
    pass


def failing(network, images, decisions):
    raise ValueError("no such thing")


def leaving(network, images, decisions):
    raise SystemExit(3)


def miscalling(network, images, decisions):
    return network(images.permute(0, 2, 3, 1))


def twice(network, images, decisions):
    """Differentiate a gradient."""
    images = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network(images)[:, 1].sum(), images, create_graph=True)
    torch.autograd.grad(gradient.square().sum(), images)
    return images


def threaded(network, images, decisions):
    """Calls the network from a thread of its own."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(network, images).result()


NOT_CALLABLE = 3


class Unknown:
    """A class of no library."""
