"""The torch engine: the same definition for batches of pairs on an accelerator.

Pixels are float32; sums, filters and matrices are float64, so that neither the length of a sum nor TF32, switched on
elsewhere, shows in the scores. Pairs that have settled leave the batch. Results differ from those of the CPU engine by
rounding alone.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as nn

from faceflip.similarity import definition
from faceflip.similarity.definition import Alignment, PassScores

BATCH_CPU, BATCH_ACCELERATOR = 16, 1024
# What a pair takes at most while it is worked on, and the share of the free memory that a batch may take.
BYTES_PER_PIXEL, MEMORY_SHARE = 1000, 0.5


class _Grid(NamedTuple):
    """Coordinates and constants of one image size on one device; x and y are float32, all else float64."""

    x: torch.Tensor  # (w,)
    y: torch.Tensor  # (h, 1)
    powers: torch.Tensor  # 1, y, y * y counted from the image centre, (h, 3)
    corners: torch.Tensor  # (x, y, 1) of the four corner pixels, (3, 4)
    across: torch.Tensor  # filter of SSIM, (w, w - 10)
    down: torch.Tensor  # and along columns, (h - 10, h)

    @classmethod
    def build(cls, height: int, width: int, device: torch.device) -> "_Grid":
        level = torch.arange(height, dtype=torch.float64, device=device) - (height - 1) / 2
        right, bottom = width - 1.0, height - 1.0
        return cls(
            x=torch.arange(width, dtype=torch.float32, device=device),
            y=torch.arange(height, dtype=torch.float32, device=device)[:, None],
            powers=torch.stack([torch.ones_like(level), level, level * level], 1),
            corners=torch.tensor(
                [[0, right, 0, right], [0, 0, bottom, bottom], [1, 1, 1, 1]], dtype=torch.float64, device=device
            ),
            across=_band(width).T.contiguous().to(device),
            down=_band(height).to(device),
        )


def _band(size: int) -> torch.Tensor:
    """Return the matrix that filters a vector of `size` values with the window of SSIM, valid part only."""
    window = torch.from_numpy(definition.window())
    band = torch.zeros(size - definition.WINDOW + 1, size, dtype=torch.float64)
    for k in range(definition.WINDOW):
        band.diagonal(k)[:] = window[k]
    return band


def _planes(images: torch.Tensor) -> torch.Tensor:
    """Turn b x h x w x 3 uint8 into b x 4 x h x w float32: red, green, blue, grey."""
    color = images.permute(0, 3, 1, 2).float()
    red, green, blue = definition.LUMA
    gray = red * color[:, 0] + green * color[:, 1] + blue * color[:, 2]
    return torch.cat([color, gray[:, None]], 1)


def _blur(gray: torch.Tensor) -> torch.Tensor:
    """Filter b x h x w with [1, 4, 6, 4, 1] / 16 along both axes, reflecting at the border."""
    for axis in (-1, -2):
        pad = (2, 2, 0, 0) if axis == -1 else (0, 0, 2, 2)
        padded = nn.pad(gray[:, None], pad, mode="reflect")[:, 0]
        size = gray.shape[axis]
        a, b, c, d, e = (padded.narrow(axis, k, size) for k in range(5))
        gray = (a + e) * (1 / 16) + (b + d) * (4 / 16) + c * (6 / 16)
    return gray


def _with_gradients(image: torch.Tensor) -> torch.Tensor:
    """Stack b x h x w with its central differences along x and y, zero across the border: b x 3 x h x w."""
    dx, dy = torch.zeros_like(image), torch.zeros_like(image)
    dx[:, :, 1:-1] = (image[:, :, 2:] - image[:, :, :-2]) * 0.5
    dy[:, 1:-1] = (image[:, 2:] - image[:, :-2]) * 0.5
    return torch.stack([image, dx, dy], 1)


class _Originals(NamedTuple):
    """What is prepared once for each original: planes, blurred grey, local means and variances."""

    planes: torch.Tensor
    template: torch.Tensor
    mean: torch.Tensor
    variance: torch.Tensor

    def take(self, index: torch.Tensor) -> "_Originals":
        return _Originals(*(part[index] for part in self))


def _filtered(images: torch.Tensor, grid: _Grid) -> torch.Tensor:
    """Filter ... x h x w with the Gaussian window, valid part, in float64."""
    return grid.down @ (images.double() @ grid.across)


def _prepare(images: torch.Tensor, grid: _Grid) -> _Originals:
    planes = _planes(images)
    mean = _filtered(planes, grid)
    variance = _filtered(planes.double().square(), grid) - mean.square()
    return _Originals(planes, _blur(planes[:, 3]), mean, variance)


def _similarity(originals: _Originals, planes: torch.Tensor, grid: _Grid) -> torch.Tensor:
    """Compute the mean structural similarity of each plane, b x 4 float64, in the form of `kernels._similarity`."""
    gap = (planes - originals.planes).double()
    gap_mean = _filtered(gap, grid)
    gap_variance = _filtered(gap.square(), grid) - gap_mean.square()
    mean = originals.mean + gap_mean
    variance = _filtered(planes.double().square(), grid) - mean.square()
    light = 1 - gap_mean.square() / (originals.mean.square() + mean.square() + definition.C1)
    structure = 1 - gap_variance / (originals.variance + variance + definition.C2)
    return (light * structure).mean((-2, -1))


def _places(warps: torch.Tensor, grid: _Grid) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Compute where the pixels land, as displacements (u, v) of b x h x w, and one over the homogeneous coordinate."""
    y = grid.y.double()
    h = [warps[:, k, None, None] for k in range(9)]
    a0, a1 = h[1] * y + h[2], h[0] - 1 - h[7] * y
    b0, b1 = h[5] + (h[4] - 1 - h[7] * y) * y, h[3] - h[6] * y
    a0, a1, a2, b0, b1, c0 = (part.float() for part in (a0, a1, h[6], b0, b1, 1 + h[7] * y))
    scale = 1 / (c0 + a2 * grid.x)
    return (a0 + grid.x * (a1 - a2 * grid.x)) * scale, (b0 + grid.x * b1) * scale, scale


def _sample(planes: torch.Tensor, u: torch.Tensor, v: torch.Tensor, grid: _Grid, padding: str) -> torch.Tensor:
    """Read planes bilinearly at the displaced places."""
    height, width = u.shape[-2:]
    # -1 is the first pixel and 1 the last. What lies far outside is kept where its index fits a whole number.
    x = ((grid.x + u) * (2 / (width - 1)) - 1).clamp(-1e4, 1e4)
    y = ((grid.y + v) * (2 / (height - 1)) - 1).clamp(-1e4, 1e4)
    return nn.grid_sample(planes, torch.stack([x, y], -1), mode="bilinear", padding_mode=padding, align_corners=True)


def _corner_places(warps: torch.Tensor, grid: _Grid) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute where the corners go (b x 2 x 4) and whether all stay before the horizon and within bounds."""
    moved = warps.view(-1, 3, 3) @ grid.corners
    places = moved[:, :2] / moved[:, 2:]
    good = (moved[:, 2] > 1e-6).all(1) & (places.abs() < 1e6).flatten(1).all(1)
    return places, good


def _largest_move(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    return (after - before).square().sum(1).sqrt().amax(1)


def _sums(
    template: torch.Tensor, gradients: torch.Tensor, warps: torch.Tensor, levels: torch.Tensor, grid: _Grid
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Sum up what one Gauss-Newton step needs, in pixel coordinates.

    Returns the b x 9 x 9 products of (dx, dy, along) times (x, y, 1), their b x 9 x 3 products with image, template
    minus image, and mask, and the b x 3 x 3 products of mask, image and difference over the mask.
    """
    height, width = template.shape[-2:]
    u, v, scale = _places(warps, grid)
    image, dx, dy = _sample(gradients, u, v, grid, "zeros").unbind(1)
    x, y = grid.x + u, grid.y + v
    inside = ((x >= -0.5) & (x < width - 0.5) & (y >= -0.5) & (y < height - 0.5)).float()
    dx, dy = dx * scale, dy * scale
    along = -(dx * x + dy * y)
    difference = template * inside - image
    centred = grid.x - (width - 1) / 2
    vectors = [dx, dy, along, dx * centred, dy * centred, along * centred, image, difference, inside]
    vectors += [(image - levels[:, 0, None, None]) * inside, (difference - levels[:, 1, None, None]) * inside]
    rows = torch.stack(vectors, 2).double()
    # Products summed along rows, then over rows times the powers of y.
    products = torch.einsum("bhij,hk->kbij", rows @ rows.mT, grid.powers)
    one, by_y, by_yy = products

    # Gradient a times x is vector 3 + a; times 1 it is vector a; times y the row's power goes up by one.
    def block(power_x: torch.Tensor, first: int, second: int) -> torch.Tensor:
        return power_x[:, 3 * first : 3 * first + 3, 3 * second : 3 * second + 3]

    full = torch.empty(len(warps), 3, 3, 3, 3, dtype=torch.float64, device=warps.device)
    full[:, :, 0, :, 0] = block(one, 1, 1)
    full[:, :, 0, :, 1] = block(by_y, 1, 0)
    full[:, :, 0, :, 2] = block(one, 1, 0)
    full[:, :, 1, :, 1] = block(by_yy, 0, 0)
    full[:, :, 1, :, 2] = block(by_y, 0, 0)
    full[:, :, 2, :, 2] = block(one, 0, 0)
    for i, j in ((1, 0), (2, 0), (2, 1)):
        full[:, :, i, :, j] = full[:, :, j, :, i].mT
    projections = torch.stack([one[:, 3:6, 6:9], by_y[:, :3, 6:9], one[:, :3, 6:9]], 2).flatten(1, 2)
    shift = torch.eye(3, dtype=torch.float64, device=warps.device)
    shift[0, 2], shift[1, 2] = (width - 1) / 2, (height - 1) / 2
    shift = torch.block_diag(shift, shift, shift)
    return shift @ full.reshape(-1, 9, 9) @ shift.T, shift @ projections, one[:, 8:11, 8:11]


def _step(
    full: torch.Tensor, projections: torch.Tensor, statistics: torch.Tensor, levels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Compute the Gauss-Newton step (b x 8), the coefficient (b) and whether both are defined (b)."""
    count = statistics[:, 0, 0]
    total = statistics[:, 0, 1:]
    centred = statistics[:, 1:, 1:] - total[:, :, None] * total[:, None, :] / count.clamp(min=1)[:, None, None]
    mean = levels + total / count.clamp(min=1)[:, None]
    image_square, gap_square = centred[:, 0, 0], centred[:, 1, 1]
    product = image_square + centred[:, 0, 1]
    template_square = product + centred[:, 0, 1] + gap_square
    flat = definition.FLAT_VARIANCE * count
    good = (count >= 1) & (image_square > flat) & (template_square > flat)
    coefficient = product / (image_square * template_square).clamp(min=1e-300).sqrt()

    hessian = full[:, :8, :8]
    norms = hessian.diagonal(dim1=1, dim2=2).clamp(min=1e-300).sqrt()
    scaled = hessian / (norms[:, :, None] * norms[:, None, :])
    scaled = torch.where(good[:, None, None], scaled, torch.eye(8, dtype=scaled.dtype, device=scaled.device))
    factor, info = torch.linalg.cholesky_ex(scaled)
    good &= (info == 0) & (factor.diagonal(dim1=1, dim2=2).square() > definition.PIVOT_TOLERANCE).all(1)
    factor = torch.where(good[:, None, None], factor, torch.eye(8, dtype=factor.dtype, device=factor.device))

    of_mask = projections[:, :8, 2]
    of_image = projections[:, :8, 0] - mean[:, :1] * of_mask
    of_gap = projections[:, :8, 1] - mean[:, 1:] * of_mask
    solved = torch.cholesky_solve((of_image / norms)[:, :, None], factor)[:, :, 0] / norms
    upper = image_square - (of_image * solved).sum(1)
    lower = product - ((of_image + of_gap) * solved).sum(1)
    good &= lower > 0
    gain = (upper / torch.where(good, lower, 1.0))[:, None]
    right = (gain * of_gap + (gain - 1) * of_image) / norms
    step = torch.cholesky_solve(right[:, :, None], factor)[:, :, 0] / norms
    return step, coefficient, good


def _align(
    template: torch.Tensor, image: torch.Tensor, grid: _Grid
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Align a batch as `kernels._align` does a pair; returns status, iterations, coefficients, warps (b x 9)."""
    n, (height, width), device = len(template), template.shape[-2:], template.device
    identity = torch.eye(3, dtype=torch.float64, device=device).flatten()
    warps = identity.repeat(n, 1)
    status = torch.full((n,), int(Alignment.NOT_CONVERGED), dtype=torch.int8, device=device)
    iterations = torch.zeros(n, dtype=torch.int32, device=device)
    coefficients = torch.full((n,), torch.nan, dtype=torch.float64, device=device)
    gradients = _with_gradients(image)
    image_level = image.mean((1, 2))
    levels = torch.stack([image_level, template.mean((1, 2)) - image_level], 1)
    start, _ = _corner_places(warps, grid)
    places = start.clone()
    active = torch.arange(n, device=device)
    for iteration in range(1, definition.MAX_ITERATIONS + 1):
        full, projections, statistics = _sums(template, gradients, warps[active], levels, grid)
        step, coefficient, good = _step(full, projections, statistics, levels.double())
        moved = warps[active]
        moved[:, :8] += torch.where(good[:, None], step, 0.0)
        after, bounded = _corner_places(moved, grid)
        good &= bounded
        still = _largest_move(places[active], after) < definition.CORNER_TOLERANCE
        settled = torch.where(still, int(Alignment.CONVERGED), int(Alignment.NOT_CONVERGED))
        code = torch.where(good, settled, int(Alignment.FAILED))
        iterations[active] = iteration
        status[active] = code.to(torch.int8)
        coefficients[active] = torch.where(good, coefficient, torch.nan)
        warps[active] = torch.where(good[:, None], moved, identity)
        places[active] = torch.where(good[:, None, None], after, start[active])
        going = good & ~still
        if not going.all():
            active, template, gradients, levels = active[going], template[going], gradients[going], levels[going]
        if not len(active):
            break
    wild = _largest_move(start, places) > definition.PLAUSIBLE_SHIFT * min(width, height)
    status[wild] = int(Alignment.IMPLAUSIBLE)
    warps[wild] = identity
    return status, iterations, coefficients, warps


def _score_batch(
    originals: torch.Tensor, perturbed: torch.Tensor, which: torch.Tensor, align: bool, grid: _Grid
) -> dict[str, torch.Tensor]:
    """Score one batch: unique originals, perturbed images, and which original each belongs to."""
    prepared = _prepare(originals, grid).take(which)
    planes = _planes(perturbed)
    plain = _similarity(prepared, planes, grid)
    identical = (originals[which] == perturbed).flatten(1).all(1)
    plain[identical] = 1.0
    if not align:
        status = torch.where(identical, int(Alignment.IDENTICAL), int(Alignment.FAILED))
        return {"plain": plain, "status": status}
    n, device = len(perturbed), perturbed.device
    result = {
        "plain": plain,
        "aligned": plain.clone(),
        "status": torch.full((n,), int(Alignment.IDENTICAL), dtype=torch.int8, device=device),
        "iterations": torch.zeros(n, dtype=torch.int32, device=device),
        "ecc": torch.ones(n, dtype=torch.float64, device=device),
        "warp": torch.eye(3, dtype=torch.float64, device=device).repeat(n, 1, 1),
    }
    todo = torch.nonzero(~identical)[:, 0]
    if len(todo):
        status, iterations, coefficients, warps = _align(prepared.template[todo], _blur(planes[todo, 3]), grid)
        result["status"][todo], result["iterations"][todo] = status, iterations
        result["ecc"][todo], result["warp"][todo] = coefficients, warps.view(-1, 3, 3)
        kept = (status == int(Alignment.CONVERGED)) | (status == int(Alignment.NOT_CONVERGED))
        chosen = todo[kept]
        if len(chosen):
            u, v, _ = _places(warps[kept], grid)
            moved = _sample(planes[chosen], u, v, grid, "border")
            result["aligned"][chosen] = _similarity(prepared.take(chosen), moved, grid)
    return result


def _batch(device: torch.device, pixels: int) -> int:
    if device.type == "cpu":
        return BATCH_CPU
    if device.type != "cuda":
        return BATCH_ACCELERATOR // 8
    free, _ = torch.cuda.mem_get_info(device)
    return int(np.clip(MEMORY_SHARE * free / (BYTES_PER_PIXEL * pixels), 1, BATCH_ACCELERATOR))


def score(
    originals: Any,
    perturbed: Any,
    original_index: np.ndarray,
    *,
    channels: int,
    align: bool,
    unaligned: bool,
    device: Any = None,
    batch: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> PassScores:
    """Score pairs on `device`, by default the images', `batch` at a time, by default as many as fit: see `cpu`."""
    originals, perturbed = torch.as_tensor(originals), torch.as_tensor(perturbed)
    device = torch.device(device) if device is not None else perturbed.device
    if device.type == "mps":
        raise ValueError("the torch engine needs float64, which this device lacks: use engine='cpu'")
    batch = batch or _batch(device, perturbed.shape[1] * perturbed.shape[2])
    scores = PassScores.empty(len(perturbed))
    grid = _Grid.build(*perturbed.shape[1:3], device)
    order = np.argsort(original_index, kind="stable")
    with torch.inference_mode():
        for start in range(0, len(order), batch):
            members = order[start : start + batch]
            unique, which = np.unique(original_index[members], return_inverse=True)
            result = _score_batch(
                originals[torch.as_tensor(unique, device=originals.device)].to(device),
                perturbed[torch.as_tensor(members, device=perturbed.device)].to(device),
                torch.as_tensor(which, device=device),
                align,
                grid,
            )
            result = {name: values.cpu().numpy() for name, values in result.items()}
            for asked, kind, color, gray in (
                (unaligned, "plain", scores.ssim, scores.ssim_gray),
                (align, "aligned", scores.pass_, scores.pass_gray),
            ):
                if asked and channels >= 3:
                    color[members] = result[kind][:, :3].mean(1)
                if asked and channels != 3:
                    gray[members] = result[kind][:, 3]
            for name in result.keys() - {"plain", "aligned"}:
                getattr(scores, name)[members] = result[name]
            if progress is not None:
                progress(len(members))
    return scores
