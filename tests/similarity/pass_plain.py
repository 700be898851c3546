"""PASS rebuilt from docs/reference/pass.md in plain float64 NumPy: slow, and nothing in it is shared with the engines.

`mask="inside"` and `tolerance` are not part of the definition: they measure what its choices change.
"""

import numpy as np


def gray(image):
    return 0.299 * image[..., 0] + 0.587 * image[..., 1] + 0.114 * image[..., 2]


def blur(image):
    padded = np.pad(image, 2, mode="reflect")
    weights = np.array([1, 4, 6, 4, 1]) / 16
    rows = sum(w * padded[k : k + image.shape[0]] for k, w in enumerate(weights))
    return sum(w * rows[:, k : k + image.shape[1]] for k, w in enumerate(weights))


def bilinear(image, x, y, border):
    height, width = image.shape
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    across, down = x - left, y - top

    def pixel(row, column):
        values = image[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
        if border == "replicate":
            return values
        return np.where((row >= 0) & (row < height) & (column >= 0) & (column < width), values, 0)

    upper = (1 - across) * pixel(top, left) + across * pixel(top, left + 1)
    lower = (1 - across) * pixel(top + 1, left) + across * pixel(top + 1, left + 1)
    return (1 - down) * upper + down * lower


def project(warp, x, y):
    depth = warp[2, 0] * x + warp[2, 1] * y + 1
    return (
        (warp[0, 0] * x + warp[0, 1] * y + warp[0, 2]) / depth,
        (warp[1, 0] * x + warp[1, 1] * y + warp[1, 2]) / depth,
        depth,
    )


def corners(warp, width, height):
    x, y = np.array([0.0, width - 1, 0, width - 1]), np.array([0.0, 0, height - 1, height - 1])
    px, py, depth = project(warp, x, y)
    return np.stack([px, py], 1), depth.min()


def align(original, perturbed, iterations=50, tolerance=2e-3, mask="rounds"):
    """Return warp, status label and steps taken."""
    template, image = blur(gray(original.astype(float))), blur(gray(perturbed.astype(float)))
    height, width = template.shape
    gradient_x, gradient_y = np.zeros_like(image), np.zeros_like(image)
    gradient_x[:, 1:-1] = (image[:, 2:] - image[:, :-2]) / 2
    gradient_y[1:-1] = (image[2:] - image[:-2]) / 2
    y, x = np.mgrid[:height, :width].astype(float)
    warp = np.eye(3)
    status = "not_converged"
    for step in range(1, iterations + 1):
        px, py, depth = project(warp, x, y)
        if mask == "rounds":
            inside = (px >= -0.5) & (px < width - 0.5) & (py >= -0.5) & (py < height - 0.5)
        else:
            inside = (px >= 0) & (px <= width - 1) & (py >= 0) & (py <= height - 1)
        warped = bilinear(image, px, py, "zero")
        a, b = bilinear(gradient_x, px, py, "zero") / depth, bilinear(gradient_y, px, py, "zero") / depth
        if mask == "inside":
            warped, a, b = warped * inside, a * inside, b * inside
        i = warped - inside * (warped[inside].mean() if inside.any() else 0)
        t = inside * (template - template[inside].mean() if inside.any() else 0)
        i_square, t_square = (i[inside] ** 2).sum(), (t**2).sum()
        if min(i_square, t_square) <= 1e-8 * inside.sum():
            return np.eye(3), "failed", step
        c = -(a * px + b * py)
        jacobian = np.stack([a * x, a * y, a, b * x, b * y, b, c * x, c * y]).reshape(8, -1)
        hessian = jacobian @ jacobian.T
        norms = np.sqrt(np.diag(hessian))
        if not (norms > 0).all() or np.linalg.eigvalsh(hessian / np.outer(norms, norms)).min() < 1e-9:
            return np.eye(3), "failed", step
        on_i, on_t = jacobian @ i.ravel(), jacobian @ t.ravel()
        solved = np.linalg.solve(hessian, on_i)
        upper, lower = i_square - on_i @ solved, (i * t).sum() - on_t @ solved
        if lower <= 0:
            return np.eye(3), "failed", step
        delta = np.linalg.solve(hessian, upper / lower * on_t - on_i)
        before, _ = corners(warp, width, height)
        warp = warp + np.append(delta, 0).reshape(3, 3)
        after, depth = corners(warp, width, height)
        if depth <= 1e-6:
            return np.eye(3), "failed", step
        moved = np.hypot(*(after - before).T).max()
        if moved < tolerance:
            status = "converged"
            break
    places, start = corners(warp, width, height)[0], corners(np.eye(3), width, height)[0]
    if np.hypot(*(places - start).T).max() > 0.1 * min(width, height):
        return np.eye(3), "implausible", step
    return warp, status, step


def ssim(first, second):
    """Mean structural similarity of two h x w x c images over the valid region and the channels."""
    weights = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    weights /= weights.sum()

    def local(image):
        rows = sum(w * image[k : k + image.shape[0] - 10] for k, w in enumerate(weights))
        return sum(w * rows[:, k : k + image.shape[1] - 10] for k, w in enumerate(weights))

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_x, mean_y = local(first), local(second)
    variance_x, variance_y = local(first**2) - mean_x**2, local(second**2) - mean_y**2
    covariance = local(first * second) - mean_x * mean_y
    light = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    return float((light * structure).mean())


def score(original, perturbed, **options):
    """Return pass, ssim, pass_gray, ssim_gray and status label."""
    if np.array_equal(original, perturbed):
        return 1.0, 1.0, 1.0, 1.0, "identical"
    first, second = original.astype(float), perturbed.astype(float)
    height, width = first.shape[:2]
    warp, status, _ = align(original, perturbed, **options)
    y, x = np.mgrid[:height, :width].astype(float)
    px, py, _ = project(warp, x, y)
    moved = np.stack([bilinear(second[..., k], px, py, "replicate") for k in range(3)], -1)
    g = [gray(image)[..., None] for image in (first, moved, second)]
    return ssim(first, moved), ssim(first, second), ssim(g[0], g[1]), ssim(g[0], g[2]), status
