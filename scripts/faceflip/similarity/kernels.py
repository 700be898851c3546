"""The compiled CPU engine of PASS: everything for one pair, on one thread.

Import this through `faceflip.runtime.compiled`. All functions stand in this one file because numba's cache notices a
change only in the file of the function that is called.

Arithmetic is float32 on pixels and float64 on sums over rows, matrices and coordinates of rows. Sums within a row are
reassociated for vector registers, in an order that depends neither on threads nor on the number of pairs. NaN and
infinity keep their meaning (`nnan` and `ninf` are not set).

What makes it fast: a warp close to the identity moves all pixels of a row by nearly the same, so that bilinear reading
is a loop over contiguous memory instead of a gather (`_read`); the Hessian of the eight parameters is built from
moments of three gradient images (`_accumulate`); and planes lie side by side, so that the filters of SSIM run along
long rows.

Five habits of the compiler and of processors shape the code. The compiler counts every view of an array, but not in
functions with a single loop: hence the many small functions, and views made outside of loops. To assign an array to a
slice takes seconds to compile, for the sake of a message on shapes that differ: hence `_copy`. Loops do not use vector
registers where an index may be negative, hence the unsigned offsets (`_at`), or where many arrays might overlap with
the result, hence the lanes. Many processors have sixteen vector registers: no loop has more than nine sums.

Planes of one image lie side by side in an array of h + 2 rows, each plane with a border of one pixel on all sides:
plane k of an image w wide begins at column k * (w + 2), its pixel (x, y) is at [y + 1, k * (w + 2) + 1 + x].
"""

import math

import numpy as np
from numba import njit

from faceflip.similarity import definition

# Of what is called from Python. Divisions follow the rules of floats: a check for zero in a loop keeps it from using
# vector registers.
_ENTRY = {"nogil": True, "error_model": "numpy", "fastmath": {"reassoc", "contract", "nsz"}}
# Of all else, which compiled code alone calls, and which needs no wrappers.
_KERNEL = {**_ENTRY, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

_RED, _GREEN, _BLUE = (np.float32(weight) for weight in definition.LUMA)
_G = tuple(np.float32(weight) for weight in definition.window())
_C1 = np.float32(definition.C1)
_C2 = np.float32(definition.C2)
_MIDDLE = np.float32(128.0)
_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
_HALF = np.float32(0.5)

# Rows of products that the filters of SSIM look back on; a power of two.
_KEPT = 16

# Rows that are worked on lie in lanes of one array, longer ones in pieces. The compiler knows how far apart lanes are,
# hence that they do not overlap; an odd number of cache lines, so that they do not compete for a place in the cache.
_PIECE = 1024
_STEP = 64
_PITCH = 1040
_SCALE, _U, _V, _LEFT, _RIGHT, _UP, _DOWN = (k * _PITCH for k in range(7))
_IMAGE, _DX, _DY, _ALONG, _DIFFERENCE, _INSIDE = (k * _PITCH for k in range(7, 13))
_LANES = 13
# Of the Hessian, three at a time: pairs of lanes whose products are summed up.
_WITHIN = ((_DX, _DX), (_DX, _DY), (_DY, _DY))
_WITH_ALONG = ((_DX, _ALONG), (_DY, _ALONG), (_ALONG, _ALONG))

# Pixels to which corners are in the same places when a search goes in circles. What differs by so much shows in the
# seventh digit of a score; on circles that attract the search it gets less with every round.
_SAME_PLACE = 1e-6

_IDENTICAL, _CONVERGED, _NOT_CONVERGED, _FAILED, _IMPLAUSIBLE = map(int, definition.Alignment)


# ---------------------------------------------------------------------------------------------------- preparing images


@njit(**_KERNEL)
def _copy(source, target):
    """Copy a vector to the beginning of another one."""
    for x in range(len(source)):
        target[x] = source[x]


@njit(**_KERNEL)
def _repeat_border(planes, count):
    """Fill the border around each of `count` planes with the nearest pixels."""
    bottom = planes.shape[0] - 1
    pitch = planes.shape[1] // count
    for y in range(1, bottom):
        row = planes[y]
        for k in range(count):
            row[k * pitch] = row[k * pitch + 1]
            row[(k + 1) * pitch - 1] = row[(k + 1) * pitch - 2]
    _copy(planes[1], planes[0])
    _copy(planes[bottom - 1], planes[bottom])


@njit(**_KERNEL)
def _unpack(image, scratch, planes, gray, channels):
    """Split an h x w x 3 uint8 image into float32 planes, with `scratch` space for one row of three planes.

    `planes` gets those to be compared with the border repeated: red, green, blue (of three or four), grey (of one or
    four). `gray` (h, w) gets the grey plane in any case.
    """
    height, width = gray.shape
    pitch = width + 2
    for y in range(height):
        row = image[y].reshape(3 * width)
        target = planes[y + 1] if channels >= 3 else scratch
        for c in range(3):
            source = row[c:]
            out = target[c * pitch + 1 : c * pitch + 1 + width]
            for x in range(width):
                out[x] = np.float32(source[3 * x])
        red, green, blue = target[1:], target[pitch + 1 :], target[2 * pitch + 1 :]
        luma = gray[y]
        for x in range(width):
            luma[x] = _RED * red[x] + _GREEN * green[x] + _BLUE * blue[x]
        if channels != 3:
            _copy(luma, planes[y + 1][channels * pitch - width - 1 :])
    _repeat_border(planes, channels)


@njit(**_KERNEL)
def _blur(image, across, blurred):
    """Filter with [1, 4, 6, 4, 1] / 16 along both axes; the border is reflected without repeating the edge pixel."""
    height, width = image.shape
    k0, k1, k2 = np.float32(6 / 16), np.float32(4 / 16), np.float32(1 / 16)
    for y in range(height):
        row = image[y]
        out = across[y]
        out[0] = k0 * row[0] + np.float32(2) * (k1 * row[1] + k2 * row[2])
        out[1] = k0 * row[1] + k1 * (row[0] + row[2]) + k2 * (row[1] + row[3])
        for x in range(width - 4):
            out[x + 2] = k2 * row[x] + k1 * row[x + 1] + k0 * row[x + 2] + k1 * row[x + 3] + k2 * row[x + 4]
        last = width - 1
        out[last - 1] = k0 * row[last - 1] + k1 * (row[last - 2] + row[last]) + k2 * (row[last - 3] + row[last - 1])
        out[last] = k0 * row[last] + np.float32(2) * (k1 * row[last - 1] + k2 * row[last - 2])
    bottom = height - 1
    for y in range(height):
        r0 = across[abs(y - 2)]
        r1 = across[abs(y - 1)]
        r2 = across[y]
        r3 = across[bottom - abs(bottom - (y + 1))]
        r4 = across[bottom - abs(bottom - (y + 2))]
        out = blurred[y]
        for x in range(width):
            out[x] = k2 * (r0[x] + r4[x]) + k1 * (r1[x] + r3[x]) + k0 * r2[x]


@njit(**_KERNEL)
def _differentiate(image, planes):
    """Write `image` (h, w) and its central differences along x and y, zero across its border, as planes in zeros."""
    height, width = image.shape
    pitch = width + 2
    planes[:] = _ZERO
    for y in range(height):
        row, out = image[y], planes[y + 1]
        _copy(row, out[1:])
        dx = out[pitch + 2 : 2 * pitch - 2]
        for x in range(width - 2):
            dx[x] = _HALF * (row[x + 2] - row[x])
        if 0 < y < height - 1:
            above, below = image[y - 1], image[y + 1]
            dy = out[2 * pitch + 1 : 3 * pitch - 1]
            for x in range(width):
                dy[x] = _HALF * (below[x] - above[x])


# ------------------------------------------------------------------------------------------------------------ warping


@njit(**_KERNEL)
def _at(offset, x):
    """Add two indices that are known not to be negative."""
    return np.uint64(offset) + np.uint64(x)


@njit(**_KERNEL)
def _whole(count):
    """Round up to whole steps of vector registers: the rest of a sum, done one by one, takes as long as all before."""
    return (count + _STEP - 1) // _STEP * _STEP


@njit(**_KERNEL)
def _place_row(warp, y, columns, first, count, lanes):
    """Compute where `count` pixels of row `y`, from column `first` on, land in the perturbed image.

    Lanes `_U` and `_V` get the displacement from the same pixel, exact in float32, `_SCALE` one over the homogeneous
    coordinate, `_LEFT` and `_RIGHT` the bilinear weights of the neighbours of the same column, `_UP` and `_DOWN` those
    of the row `shift` further down, for places within a pixel. Returns `shift`, how many places are farther than that,
    and how many lie above and below the shifted row.
    """
    a0 = np.float32(warp[1] * y + warp[2])
    a1 = np.float32(warp[0] - 1.0 - warp[7] * y)
    b0 = np.float32(warp[5] + (warp[4] - 1.0 - warp[7] * y) * y)
    b1 = np.float32(warp[3] - warp[6] * y)
    c0 = np.float32(1.0 + warp[7] * y)
    c1 = np.float32(warp[6])
    middle = columns[first + count // 2]
    level = np.rint((b0 + middle * b1) / (c0 + c1 * middle))
    # What a diverging warp gives stays small enough to add.
    level = min(max(level, np.float32(-1e6)), np.float32(1e6))
    # Counted as floats: whole numbers would be widened.
    far, above, below = _ZERO, _ZERO, _ZERO
    for x in range(_whole(count)):
        column = columns[_at(first, x)]
        scale = _ONE / (c0 + c1 * column)
        u = (a0 + column * (a1 - c1 * column)) * scale
        v = (b0 + column * b1) * scale
        rest = v - level
        lanes[_at(_SCALE, x)] = scale
        lanes[_at(_U, x)] = u
        lanes[_at(_V, x)] = v
        lanes[_at(_LEFT, x)] = max(-u, _ZERO)
        lanes[_at(_RIGHT, x)] = max(u, _ZERO)
        lanes[_at(_UP, x)] = max(-rest, _ZERO)
        lanes[_at(_DOWN, x)] = max(rest, _ZERO)
        far += _ONE if (abs(u) > _ONE) | (abs(rest) > _ONE) else _ZERO
        above += _ONE if rest < _ZERO else _ZERO
        below += _ONE if rest > _ZERO else _ZERO
    return int(level), far, above, below


@njit(**_KERNEL)
def _read(planes, row, start, count, lanes, out, to):
    """Read bilinearly around the pixels of `row` from column `start` on; the first one goes to `out[to]`."""
    for x in range(count):
        before, at, after = _at(start - 1, x), _at(start, x), _at(start + 1, x)
        left, right = lanes[_at(_LEFT, x)], lanes[_at(_RIGHT, x)]
        up, down = lanes[_at(_UP, x)], lanes[_at(_DOWN, x)]
        centre = _ONE - left - right
        a = planes[row - 1, before] * left + planes[row - 1, at] * centre + planes[row - 1, after] * right
        m = planes[row, before] * left + planes[row, at] * centre + planes[row, after] * right
        b = planes[row + 1, before] * left + planes[row + 1, at] * centre + planes[row + 1, after] * right
        out[_at(to, x)] = a * up + m * (_ONE - up - down) + b * down


@njit(**_KERNEL)
def _read_towards(planes, row, other, weights, start, count, lanes, out, to):
    """Read like `_read` where all places lie between `row` and one `other`, whose weights are in lane `weights`."""
    for x in range(count):
        before, at, after = _at(start - 1, x), _at(start, x), _at(start + 1, x)
        left, right, weight = lanes[_at(_LEFT, x)], lanes[_at(_RIGHT, x)], lanes[_at(weights, x)]
        centre = _ONE - left - right
        m = planes[row, before] * left + planes[row, at] * centre + planes[row, after] * right
        o = planes[other, before] * left + planes[other, at] * centre + planes[other, after] * right
        out[_at(to, x)] = m * (_ONE - weight) + o * weight


@njit(**_KERNEL)
def _locate(y, columns, first, count, right, bottom, length, lanes, places):
    """Find the upper left neighbours of scattered places in memory; weights go to lanes `_RIGHT` and `_DOWN`.

    Places beyond the border, whose last column and row are `right` and `bottom`, are moved onto it.
    """
    level = np.float32(y)
    for x in range(count):
        x_place = min(max(columns[_at(first, x)] + lanes[_at(_U, x)], -_ONE), right)
        y_place = min(max(level + lanes[_at(_V, x)], -_ONE), bottom)
        x_floor = min(np.floor(x_place), right - _ONE)
        y_floor = min(np.floor(y_place), bottom - _ONE)
        lanes[_at(_RIGHT, x)] = x_place - x_floor
        lanes[_at(_DOWN, x)] = y_place - y_floor
        places[x] = np.int32(y_floor + _ONE) * length + np.int32(x_floor + _ONE)


@njit(**_KERNEL)
def _gather(memory, places, plane, length, count, lanes, out, to):
    """Read bilinearly at scattered places of the plane that begins at `plane`; the first one goes to `out[to]`."""
    for x in range(count):
        upper = _at(plane, places[x])
        lower = _at(plane + length, places[x])
        across = lanes[_at(_RIGHT, x)]
        a = memory[upper] + across * (memory[_at(upper, 1)] - memory[upper])
        b = memory[lower] + across * (memory[_at(lower, 1)] - memory[lower])
        out[_at(to, x)] = a + lanes[_at(_DOWN, x)] * (b - a)


# Inlined, because its loop over planes would have its arrays counted at every call.
@njit(inline="always", **_KERNEL)
def _warp_piece(planes, memory, planes_count, warp, y, columns, first, count, lanes, places, out, to, pitch):
    """Warp a piece of row `y` of all planes bilinearly; beyond the border, pixels are those of the border.

    `memory` is `planes` in one dimension. The first pixel of plane k goes to `out[to + k * pitch]`.
    """
    height, length = planes.shape[0] - 2, planes.shape[1]
    width = length // planes_count - 2
    shift, far, above, below = _place_row(warp, y, columns, first, count, lanes)
    row = y + 1 + shift
    near = far == 0 and 1 <= row <= height
    if not near:
        _locate(y, columns, first, count, np.float32(width), np.float32(height), length, lanes, places)
    for k in range(planes_count):
        plane = k * (width + 2)
        start = plane + 1 + first
        if not near:
            _gather(memory, places, plane, length, count, lanes, out, to + k * pitch)
        elif above == 0:
            _read_towards(planes, row, row + 1, _DOWN, start, count, lanes, out, to + k * pitch)
        elif below == 0:
            _read_towards(planes, row, row - 1, _UP, start, count, lanes, out, to + k * pitch)
        else:
            _read(planes, row, start, count, lanes, out, to + k * pitch)


@njit(**_KERNEL)
def _warp_row(planes, memory, planes_count, warp, y, columns, lanes, places, out):
    """Warp row `y` of planes with borders into such a row, whose border columns are left alone."""
    width = planes.shape[1] // planes_count - 2
    for first in range(0, width, _PIECE):
        count = min(_PIECE, width - first)
        _warp_piece(
            planes, memory, planes_count, warp, y, columns, first, count, lanes, places, out, 1 + first, width + 2
        )


# ---------------------------------------------------------------------------------------------------------- alignment


@njit(**_KERNEL)
def _read_unmoved(planes, y, first, count, lanes):
    """Fill lanes as `_warp_piece` does at the identity, for the three planes of an image and its gradients."""
    row, pitch = y + 1, planes.shape[1] // 3
    for x in range(count):
        at = _at(first + 1, x)
        lanes[_at(_SCALE, x)] = _ONE
        lanes[_at(_U, x)] = _ZERO
        lanes[_at(_V, x)] = _ZERO
        lanes[_at(_IMAGE, x)] = planes[row, at]
        lanes[_at(_DX, x)] = planes[row, _at(at, pitch)]
        lanes[_at(_DY, x)] = planes[row, _at(at, 2 * pitch)]


@njit(**_KERNEL)
def _derive(template, y, columns, first, count, width, height, lanes):
    """Compute what is summed up from the warped image and gradients in lanes `_IMAGE`, `_DX` and `_DY`.

    Lane `_INSIDE` gets 1 where the place rounds to a pixel of the perturbed image, 0 elsewhere; `_DIFFERENCE` the
    template minus the image, where the template counts as zero outside. The gradients are divided by the homogeneous
    coordinate and `_ALONG` gets their projection on the place: the derivative of the warped intensity by the eight
    parameters is dx * (x, y, 1), dy * (x, y, 1), along * (x, y).
    """
    level = np.float32(y)
    right, bottom = np.float32(width) - _HALF, np.float32(height) - _HALF
    for x in range(count):
        place_x = columns[_at(first, x)] + lanes[_at(_U, x)]
        place_y = level + lanes[_at(_V, x)]
        kept = (place_x >= -_HALF) & (place_x < right) & (place_y >= -_HALF) & (place_y < bottom)
        inside = _ONE if kept else _ZERO
        scale = lanes[_at(_SCALE, x)]
        dx = lanes[_at(_DX, x)] * scale
        dy = lanes[_at(_DY, x)] * scale
        lanes[_at(_DX, x)] = dx
        lanes[_at(_DY, x)] = dy
        lanes[_at(_ALONG, x)] = -(dx * place_x + dy * place_y)
        lanes[_at(_INSIDE, x)] = inside
        lanes[_at(_DIFFERENCE, x)] = template[y, _at(first, x)] * inside - lanes[_at(_IMAGE, x)]


@njit(**_KERNEL)
def _moments_of(lanes, products, centred, first, count):
    """Return the sums of three products, each of two lanes, times 1, x, x * x."""
    (a, b), (c, d), (e, f) = products
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = s8 = _ZERO
    for i in range(_whole(count)):
        x = centred[_at(first, i)]
        p = lanes[_at(a, i)] * lanes[_at(b, i)]
        q = lanes[_at(c, i)] * lanes[_at(d, i)]
        r = lanes[_at(e, i)] * lanes[_at(f, i)]
        px, qx, rx = p * x, q * x, r * x
        s0 += p
        s1 += px
        s2 += px * x
        s3 += q
        s4 += qx
        s5 += qx * x
        s6 += r
        s7 += rx
        s8 += rx * x
    return s0, s1, s2, s3, s4, s5, s6, s7, s8


@njit(**_KERNEL)
def _project(lanes, lane, centred, first, count):
    """Return the sums of dx, dy, along times 1, x, for each times what is in a lane."""
    s0 = s1 = s2 = s3 = s4 = s5 = _ZERO
    for i in range(_whole(count)):
        x = centred[_at(first, i)]
        value = lanes[_at(lane, i)]
        p, q, r = lanes[_at(_DX, i)] * value, lanes[_at(_DY, i)] * value, lanes[_at(_ALONG, i)] * value
        s0 += p
        s1 += p * x
        s2 += q
        s3 += q * x
        s4 += r
        s5 += r * x
    return s0, s1, s2, s3, s4, s5


@njit(**_KERNEL)
def _statistics(lanes, count, image_level, gap_level):
    """Return the sums over the pixels inside of 1, i, d, i * i, i * d, d * d.

    i is the warped image and d the template minus it, both counted from a level near their mean, without which rounding
    would drown the variance of an almost flat image.
    """
    s0 = s1 = s2 = s3 = s4 = s5 = _ZERO
    for x in range(_whole(count)):
        inside = lanes[_at(_INSIDE, x)]
        i = (lanes[_at(_IMAGE, x)] - image_level) * inside
        d = (lanes[_at(_DIFFERENCE, x)] - gap_level) * inside
        s0 += inside
        s1 += i
        s2 += d
        s3 += i * i
        s4 += i * d
        s5 += d * d
    return s0, s1, s2, s3, s4, s5


@njit(**_KERNEL)
def _add_moments(moments, begin, level, sums):
    """Add one row's sums of three products from `begin` on: each product's moments x*x, x*y, x, y*y, y, 1."""
    for k in range(3):
        pair = begin + k
        s0, s1, s2 = np.float64(sums[3 * k]), np.float64(sums[3 * k + 1]), np.float64(sums[3 * k + 2])
        moments[pair, 0] += s2
        moments[pair, 1] += s1 * level
        moments[pair, 2] += s1
        moments[pair, 3] += s0 * level * level
        moments[pair, 4] += s0 * level
        moments[pair, 5] += s0


@njit(**_KERNEL)
def _add_projections(projections, which, level, sums):
    """Add one row's sums (`_project`): an image's products with each gradient times x, y, 1."""
    for k in range(3):
        s0, s1 = np.float64(sums[2 * k]), np.float64(sums[2 * k + 1])
        projections[which, 3 * k] += s1
        projections[which, 3 * k + 1] += s0 * level
        projections[which, 3 * k + 2] += s0


@njit(**_KERNEL)
def _add_statistics(statistics, sums):
    """Add one row's sums (`_statistics`)."""
    for k in range(6):
        statistics[k] += sums[k]


@njit(**_KERNEL)
def _accumulate(
    template, gradients, warp, moved, levels, columns, centred, lanes, places, moments, projections, statistics
):
    """Sum up over the image all that one Gauss-Newton step needs, at one warp: `moments`, `projections`, `_statistics`.

    `moved` is false where the warp is the identity.

    With a = dx, b = dy, c = along (`_derive`), coordinates counted from the image centre: `moments` (6, 6): for a*a,
    a*b, b*b, a*c, b*c, c*c the sums times x*x, x*y, x, y*y, y, 1; `projections` (3, 9): for the warped image, for
    template minus warped image, for the mask, the sums times a*x, a*y, a, b*x, b*y, b, c*x, c*y, c.
    """
    height, width = template.shape
    moments[:] = 0.0
    projections[:] = 0.0
    statistics[:] = 0.0
    memory = gradients.reshape(gradients.size)
    # What lies in the lanes behind the last pixel takes part in the sums.
    lanes[:] = _ZERO
    for y in range(height):
        level = y - 0.5 * (height - 1)
        for first in range(0, width, _PIECE):
            count = min(_PIECE, width - first)
            if width > _PIECE:
                lanes[:] = _ZERO
            if moved:
                _warp_piece(gradients, memory, 3, warp, y, columns, first, count, lanes, places, lanes, _IMAGE, _PITCH)
            else:
                _read_unmoved(gradients, y, first, count, lanes)
            _derive(template, y, columns, first, count, width, height, lanes)
            _add_moments(moments, 0, level, _moments_of(lanes, _WITHIN, centred, first, count))
            _add_moments(moments, 3, level, _moments_of(lanes, _WITH_ALONG, centred, first, count))
            _add_projections(projections, 0, level, _project(lanes, _IMAGE, centred, first, count))
            _add_projections(projections, 1, level, _project(lanes, _DIFFERENCE, centred, first, count))
            _add_projections(projections, 2, level, _project(lanes, _INSIDE, centred, first, count))
            _add_statistics(statistics, _statistics(lanes, count, levels[0], levels[1]))


@njit(**_KERNEL)
def _off_centre(vector, cx, cy):
    """Turn nine projections on centred x, y, 1 into those on pixel coordinates, in place."""
    for k in range(3):
        vector[3 * k] += cx * vector[3 * k + 2]
        vector[3 * k + 1] += cy * vector[3 * k + 2]


@njit(**_KERNEL)
def _assemble_hessian(moments, cx, cy, full):
    """Fill the 9 x 9 matrix of products of (a, b, c) x (x, y, 1) in pixel coordinates from the centred moments."""
    for p in range(3):
        for q in range(3):
            low, high = min(p, q), max(p, q)
            pair = (low + high) if high < 2 else 3 + low
            m = moments[pair]
            block = full[3 * p : 3 * p + 3, 3 * q : 3 * q + 3]
            block[0, 0] = m[0] + 2.0 * cx * m[2] + cx * cx * m[5]
            block[0, 1] = m[1] + cx * m[4] + cy * m[2] + cx * cy * m[5]
            block[0, 2] = m[2] + cx * m[5]
            block[1, 1] = m[3] + 2.0 * cy * m[4] + cy * cy * m[5]
            block[1, 2] = m[4] + cy * m[5]
            block[2, 2] = m[5]
            block[1, 0] = block[0, 1]
            block[2, 0] = block[0, 2]
            block[2, 1] = block[1, 2]


@njit(**_KERNEL)
def _factorise(full, factor, norms):
    """Cholesky-factorise the leading 8 x 8 block, scaled to unit diagonal; False where a pivot is negligible."""
    for i in range(8):
        if not full[i, i] > 0.0:
            return False
        norms[i] = math.sqrt(full[i, i])
    for i in range(8):
        for j in range(i + 1):
            value = full[i, j] / (norms[i] * norms[j])
            for k in range(j):
                value -= factor[i, k] * factor[j, k]
            if i == j:
                if not value > definition.PIVOT_TOLERANCE:
                    return False
                factor[i, i] = math.sqrt(value)
            else:
                factor[i, j] = value / factor[j, j]
    return True


@njit(**_KERNEL)
def _solve(factor, norms, vector, solution):
    """Solve the system that `_factorise` prepared."""
    for i in range(8):
        value = vector[i] / norms[i]
        for k in range(i):
            value -= factor[i, k] * solution[k]
        solution[i] = value / factor[i, i]
    for i in range(7, -1, -1):
        value = solution[i]
        for k in range(i + 1, 8):
            value -= factor[k, i] * solution[k]
        solution[i] = value / factor[i, i]
    for i in range(8):
        solution[i] /= norms[i]


@njit(**_KERNEL)
def _corners(warp, width, height, places):
    """Write where the four corner pixels go; False where one of them reaches the horizon or leaves the numbers."""
    for k in range(4):
        x = (width - 1.0) * (k % 2)
        y = (height - 1.0) * (k // 2)
        depth = warp[6] * x + warp[7] * y + 1.0
        if not depth > 1e-6:
            return False
        places[2 * k] = (warp[0] * x + warp[1] * y + warp[2]) / depth
        places[2 * k + 1] = (warp[3] * x + warp[4] * y + warp[5]) / depth
        if not (abs(places[2 * k]) < 1e6 and abs(places[2 * k + 1]) < 1e6):
            return False
    return True


@njit(**_KERNEL)
def _largest_move(before, after):
    """Return the largest distance between the places of a corner."""
    largest = 0.0
    for k in range(4):
        largest = max(largest, math.hypot(after[2 * k] - before[2 * k], after[2 * k + 1] - before[2 * k + 1]))
    return largest


@njit(**_KERNEL)
def _stay(warp):
    """Make a warp the identity."""
    for k in range(9):
        warp[k] = 1.0 if k % 4 == 0 else 0.0


@njit(**_KERNEL)
def _record(trail, number, warp, corners, coefficient):
    """Keep one step of a search: the parameters it came to, where they take the corners, the coefficient before."""
    for k in range(8):
        trail[number, k] = warp[k]
        trail[number, 8 + k] = corners[k]
    trail[number, 16] = coefficient


@njit(**_KERNEL)
def _repeats(trail, number, period):
    """Return whether the last `period` of `number` steps led to the same places of the corners as those before."""
    for step in range(number - period, number):
        for k in range(8, 16):
            if not abs(trail[step, k] - trail[step - period, k]) < _SAME_PLACE:
                return False
    return True


@njit(**_KERNEL)
def _foreseen(trail, number):
    """Return which of `number` steps the last one allowed will be like, where the search goes in circles; else -1."""
    for period in range(2, number // 2 + 1):
        if _repeats(trail, number, period):
            return number - period + (definition.MAX_ITERATIONS - 1 - number) % period
    return -1


@njit(**_KERNEL)
def _align(template, gradients, warp, columns, centred, lanes, places):
    """Maximise the enhanced correlation coefficient by Gauss-Newton steps, forward additive, from the identity.

    `warp` (9,) gets the homography, row by row, and is the identity where the search failed or went too far. Returns
    the status, the number of steps and the coefficient before the last step. Half of the searches that never settle go
    in circles: what the last step would come to is then known, and the steps to it are counted, but not made.
    """
    height, width = template.shape
    cx, cy = 0.5 * (width - 1), 0.5 * (height - 1)
    moments = np.empty((6, 6))
    projections = np.empty((3, 9))
    statistics = np.empty(6)
    full = np.empty((9, 9))
    factor = np.empty((8, 8))
    norms = np.empty(8)
    step = np.empty(8)
    right = np.empty(8)
    of_image = np.empty(9)
    of_gap = np.empty(9)
    start = np.empty(8)
    before = np.empty(8)
    after = np.empty(8)
    trail = np.empty((definition.MAX_ITERATIONS, 17))
    _stay(warp)
    levels = np.empty(2, np.float32)
    levels[0] = gradients[:, : width + 2].sum() / (width * height)
    levels[1] = template.sum() / (width * height) - levels[0]
    _corners(warp, width, height, start)
    _copy(start, before)
    coefficient = np.nan
    status = _NOT_CONVERGED
    iterations = 0
    while iterations < definition.MAX_ITERATIONS and status == _NOT_CONVERGED:
        iterations += 1
        status = _FAILED
        moved = iterations > 1
        _accumulate(
            template, gradients, warp, moved, levels, columns, centred, lanes, places, moments, projections, statistics
        )
        count = statistics[0]
        if count < 1.0:
            break
        image_mean = levels[0] + statistics[1] / count
        gap_mean = levels[1] + statistics[2] / count
        image_square = statistics[3] - statistics[1] * statistics[1] / count
        image_gap = statistics[4] - statistics[1] * statistics[2] / count
        gap_square = statistics[5] - statistics[2] * statistics[2] / count
        product = image_square + image_gap
        template_square = image_square + 2.0 * image_gap + gap_square
        flat = definition.FLAT_VARIANCE * count
        if not (image_square > flat and template_square > flat):
            break
        coefficient = product / math.sqrt(image_square * template_square)
        _assemble_hessian(moments, cx, cy, full)
        if not _factorise(full, factor, norms):
            break
        for k in range(3):
            _off_centre(projections[k], cx, cy)
        for k in range(9):
            of_image[k] = projections[0, k] - image_mean * projections[2, k]
            of_gap[k] = projections[1, k] - gap_mean * projections[2, k]
        _solve(factor, norms, of_image, step)
        upper = image_square
        lower = product
        for k in range(8):
            upper -= of_image[k] * step[k]
            lower -= (of_image[k] + of_gap[k]) * step[k]
        if not lower > 0.0:
            break
        gain = upper / lower
        for k in range(8):
            right[k] = gain * of_gap[k] + (gain - 1.0) * of_image[k]
        _solve(factor, norms, right, step)
        for k in range(8):
            warp[k] += step[k]
        if not _corners(warp, width, height, after):
            break
        still = _largest_move(before, after) < definition.CORNER_TOLERANCE
        status = _CONVERGED if still else _NOT_CONVERGED
        _copy(after, before)
        _record(trail, iterations - 1, warp, after, coefficient)
        if status == _NOT_CONVERGED:
            last = _foreseen(trail, iterations)
            if last >= 0:
                iterations = definition.MAX_ITERATIONS
                _copy(trail[last][:8], warp)
                _copy(trail[last][8:16], before)
                coefficient = trail[last, 16]
    if status == _FAILED:
        coefficient = np.nan
    elif _largest_move(start, before) > definition.PLAUSIBLE_SHIFT * min(width, height):
        status = _IMPLAUSIBLE
    if status in (_FAILED, _IMPLAUSIBLE):
        _stay(warp)
    return status, iterations, coefficient


# --------------------------------------------------------------------------------------------------------- similarity


@njit(**_KERNEL)
def _row(y):
    """Return where row `y` is kept among the last `_KEPT` rows; eleven of them are needed at a time."""
    return y & (_KEPT - 1)


@njit(**_KERNEL)
def _window_outer(kept, y, column):
    """Begin to filter columns: the outer six of the eleven rows from `y` on."""
    r0, r1, r2, r8, r9, r10 = _row(y), _row(y + 1), _row(y + 2), _row(y + 8), _row(y + 9), _row(y + 10)
    for x in range(len(column)):
        column[x] = (
            _G[0] * (kept[r0, x] + kept[r10, x])
            + _G[1] * (kept[r1, x] + kept[r9, x])
            + _G[2] * (kept[r2, x] + kept[r8, x])
        )


@njit(**_KERNEL)
def _window_inner(kept, y, column):
    """End to filter columns: the inner five rows.

    One loop over all eleven would not use vector registers: too many arrays to check for overlap with the result.
    """
    r3, r4, r5, r6, r7 = _row(y + 3), _row(y + 4), _row(y + 5), _row(y + 6), _row(y + 7)
    for x in range(len(column)):
        column[x] += _G[3] * (kept[r3, x] + kept[r7, x]) + _G[4] * (kept[r4, x] + kept[r6, x]) + _G[5] * kept[r5, x]


@njit(**_KERNEL)
def _window_across(column, out, y):
    """Filter along the row; columns x .. x + 10 go to x of row `y` of `out`."""
    for x in range(len(column) - 10):
        out[y, x] = (
            _G[0] * (column[x] + column[x + 10])
            + _G[1] * (column[x + 1] + column[x + 9])
            + _G[2] * (column[x + 2] + column[x + 8])
            + _G[3] * (column[x + 3] + column[x + 7])
            + _G[4] * (column[x + 4] + column[x + 6])
            + _G[5] * column[x + 5]
        )


@njit(**_KERNEL)
def _window_row(kept, y, column, out, row):
    """Filter rows y .. y + 10 with the Gaussian window into one row of `out`; columns x .. x + 10 go to x."""
    _window_outer(kept, y, column)
    _window_inner(kept, y, column)
    _window_across(column, out, row)


@njit(**_KERNEL)
def _square_centred(planes, y, centred, square):
    """Count row `y` of planes with border from the middle intensity, and square it."""
    row = _row(y)
    for x in range(planes.shape[1]):
        level = planes[y + 1, x] - _MIDDLE
        centred[row, x] = level
        square[row, x] = level * level


@njit(**_KERNEL)
def _subtract_square(mean, variance, y):
    """Turn mean squares into variances."""
    for x in range(mean.shape[1] - 10):
        variance[y, x] -= mean[y, x] * mean[y, x]


@njit(**_KERNEL)
def _products(original, y, other, gap, gap_square, square):
    """Compute row `y` of the three images that SSIM filters, from row `y` of the other image."""
    row = _row(y)
    for x in range(len(other)):
        level = other[x] - _MIDDLE
        difference = other[x] - original[y + 1, x]
        gap[row, x] = difference
        gap_square[row, x] = difference * difference
        square[row, x] = level * level


@njit(**_KERNEL)
def _sum_similarity(mean, variance, y, start, count, local):
    """Sum SSIM over `count` places of row `y` from column `start` on; `local` holds the filtered products."""
    total = _ZERO
    for i in range(count):
        x = _at(start, i)
        mean_gap = local[0, x]
        mean_y = mean[y, x] + mean_gap
        light = mean_gap * mean_gap
        x_level = mean[y, x] + _MIDDLE
        y_level = mean_y + _MIDDLE
        structure = local[1, x] - light
        light_part = _ONE - light / (x_level * x_level + y_level * y_level + _C1)
        structure_part = _ONE - structure / (variance[y, x] + (local[2, x] - mean_y * mean_y) + _C2)
        total += light_part * structure_part
    return total


@njit(**_KERNEL)
def _describe(planes, kept, column, mean, variance):
    """Compute local mean and variance of the planes of an original; `kept` and `column` are scratch space."""
    centred, square = kept[0], kept[1]
    for y in range(planes.shape[0] - 2):
        _square_centred(planes, y, centred, square)
        if y >= 10:
            _window_row(centred, y - 10, column, mean, y - 10)
            _window_row(square, y - 10, column, variance, y - 10)
            _subtract_square(mean, variance, y - 10)


@njit(**_KERNEL)
def _similarity(original, mean, variance, other, channels, moved, warp, columns, lanes, places, kept, local, result):
    """Compute the mean structural similarity of each plane of two images, the other one warped if `moved`.

    With d = other - original, SSIM = (1 - mean(d)^2 / (mean_x^2 + mean_y^2 + C1)) (1 - var(d) / (var_x + var_y + C2)),
    the usual form rewritten so that rounding errors scale with 1 - SSIM. Intensities are counted from 128, which keeps
    squares small. `original` and `other` have their borders repeated. `lanes`, `places`, `kept` and `local` are scratch
    space; `result` (4,) gets one mean a plane.
    """
    height, length = original.shape[0] - 2, original.shape[1]
    pitch = length // channels
    count = pitch - 12
    gap, gap_square, square = kept[0], kept[1], kept[2]
    column, row = local[3], local[4]
    memory = other.reshape(other.size)
    result[:channels] = 0.0
    # The borders of a warped row are read, but count for nothing.
    row[:] = _ZERO
    for y in range(height):
        if moved:
            _warp_row(other, memory, channels, warp, y, columns, lanes, places, row)
        else:
            _copy(other[y + 1], row)
        _products(original, y, row, gap, gap_square, square)
        if y >= 10:
            _window_row(gap, y - 10, column, local, 0)
            _window_row(gap_square, y - 10, column, local, 1)
            _window_row(square, y - 10, column, local, 2)
            for c in range(channels):
                result[c] += _sum_similarity(mean, variance, y - 10, c * pitch + 1, count, local)
    for c in range(channels):
        result[c] /= (height - 10) * count


# ----------------------------------------------------------------------------------------------------------- the pairs


@njit(**_KERNEL)
def _equal(first, second):
    a, b = first.reshape(first.size), second.reshape(second.size)
    difference = np.uint8(0)
    for i in range(a.size):
        difference |= a[i] ^ b[i]
    return difference == 0


@njit(**_KERNEL)
def _put(similarities, column, channels, result):
    """Store the means of the planes: colour (mean of three) in `column`, grey two columns further."""
    if channels >= 3:
        similarities[column] = (result[0] + result[1] + result[2]) / 3.0
    if channels != 3:
        similarities[column + 2] = result[channels - 1]


@njit(**_KERNEL)
def _carve(work, start, shape):
    """Return the part of the flat scratch array from `start` on as an array of `shape`, and where it ends."""
    size = 1
    for extent in shape:
        size *= extent
    return work[start : start + size].reshape(shape), start + size


@njit(**_ENTRY)
def scratch_size(height, width, channels):
    """Return how many float32 values `score_group` needs as scratch space."""
    plane = (height + 2) * (width + 2)
    return (4 * channels + 7) * plane + (3 * _KEPT + 5) * channels * (width + 2) + 5 * (width + _STEP) + _LANES * _PITCH


@njit(cache=True, **_ENTRY)
def score_group(
    original, perturbed, members, channels, aligned, plain, work, similarities, coefficients, iterations, status, warps
):
    """Score the `members` (int64) of n `perturbed` images (n x h x w x 3 uint8) against one `original` (h x w x 3).

    `channels` is 1 for grey alone, 3 for colour alone, 4 for both; `aligned` asks for PASS, `plain` for SSIM without
    alignment; `work` is scratch space, `scratch_size` float32. `similarities` (n x 4 float64) gets pass, ssim,
    pass_gray, ssim_gray, where they are asked for; `coefficients` (n float64), `iterations` (n int32), `status`
    (n int8) and `warps` (n x 9 float64, row by row) get what `PassScores` tells.
    """
    height, width = original.shape[:2]
    length = channels * (width + 2)
    planes, at = _carve(work, 0, (height + 2, length))
    mean, at = _carve(work, at, (height - 10, length))
    variance, at = _carve(work, at, (height - 10, length))
    other, at = _carve(work, at, (height + 2, length))
    kept, at = _carve(work, at, (3, _KEPT, length))
    gray, at = _carve(work, at, (height, width))
    across, at = _carve(work, at, (height, width))
    template, at = _carve(work, at, (height, width))
    blurred, at = _carve(work, at, (height, width))
    gradients, at = _carve(work, at, (height + 2, 3 * (width + 2)))
    local, at = _carve(work, at, (5, length))
    lanes, at = _carve(work, at, (_LANES * _PITCH,))
    triple, at = _carve(work, at, (3 * (width + 2),))
    columns, at = _carve(work, at, (_whole(width),))
    centred, at = _carve(work, at, (_whole(width),))
    places = np.empty(_PIECE, np.int64)
    # Behind the last pixel come copies of it, whose places are as harmless as its own.
    for x in range(len(columns)):
        columns[x] = np.float32(min(x, width - 1))
        centred[x] = columns[x] - np.float32(0.5 * (width - 1))
    result = np.empty(4)

    _unpack(original, triple, planes, gray, channels)
    _blur(gray, across, template)
    _describe(planes, kept, local[3], mean, variance)
    for member in members:
        image = perturbed[member]
        warp = warps[member]
        if _equal(original, image):
            status[member] = _IDENTICAL
            coefficients[member] = 1.0
            result[:] = 1.0
            if aligned:
                _put(similarities[member], 0, channels, result)
            if plain:
                _put(similarities[member], 1, channels, result)
            continue
        _unpack(image, triple, other, gray, channels)
        if plain:
            _similarity(
                planes, mean, variance, other, channels, False, warp, columns, lanes, places, kept, local, result
            )
            _put(similarities[member], 1, channels, result)
        if aligned:
            _blur(gray, across, blurred)
            _differentiate(blurred, gradients)
            code, iterations[member], coefficients[member] = _align(
                template, gradients, warp, columns, centred, lanes, places
            )
            status[member] = code
            moved = code in (_CONVERGED, _NOT_CONVERGED)
            if moved or not plain:
                _similarity(
                    planes, mean, variance, other, channels, moved, warp, columns, lanes, places, kept, local, result
                )
            _put(similarities[member], 0, channels, result)


def prepare() -> None:
    """Have `score_group` compiled, or its compiled code loaded, for the types that the engine calls it with."""
    size, scores = definition.WINDOW, definition.PassScores.empty(1)
    images = np.zeros((1, size, size, 3), np.uint8)
    images.flags.writeable = False
    work = np.empty(scratch_size(size, size, 4), np.float32)
    results = np.empty((1, 4)), scores.ecc, scores.iterations, scores.status, scores.warp.reshape(1, 9)
    score_group(images[0], images, np.zeros(1, np.int64), 4, True, True, work, *results)
