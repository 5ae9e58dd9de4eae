"""Turns ray-traced samples into observations on the device: averages them, computes the matte, blends with the video.

- `composite`: the kernel.
- `WHOLE`, `SEMANTIC`, `PAPER`: its modes.
"""

import warp

WHOLE, SEMANTIC, PAPER = 0, 1, 2
"""The scene as it is; the foreground over the video; the pixels of the scene whose red exceeds a threshold over it."""


@warp.kernel(enable_backward=False)  # type: ignore[untyped-decorator]
def composite(
    packed: warp.array2d(dtype=warp.uint32),  # type: ignore[valid-type]  # [N, (size · samples)²], ARGB
    hit: warp.array2d(dtype=warp.vec2i),  # type: ignore[valid-type]  # [N, (size · samples)²], in full renders: geom, kind
    foreground: warp.array(dtype=bool),  # type: ignore[valid-type]  # [geoms]
    video: warp.array4d(dtype=warp.uint8),  # type: ignore[valid-type]  # [N, size, size, 3], RGB
    samples: int,
    mode: int,
    red_threshold: int,
    image: warp.array4d(dtype=warp.uint8),  # type: ignore[valid-type]  # [N, size, size, 3], RGB
    matte: warp.array3d(dtype=warp.uint8),  # type: ignore[valid-type]  # [N, size, size]
) -> None:
    """Computes one pixel: the mean of its samples, blended over the video according to their coverage."""
    world, row, column = warp.tid()  # type: ignore[misc, unused-ignore]
    width = image.shape[2] * samples
    red = int(0)
    green = int(0)
    blue = int(0)
    covered = int(0)
    for y in range(samples):
        for x in range(samples):
            sample = packed[world, (row * samples + y) * width + column * samples + x]
            red += int((sample >> warp.uint32(16)) & warp.uint32(255))
            green += int((sample >> warp.uint32(8)) & warp.uint32(255))
            blue += int(sample & warp.uint32(255))
            if mode == 0:
                geom = hit[world, (row * samples + y) * width + column * samples + x][0]
                if geom >= 0 and foreground[geom]:
                    covered += 255
            else:
                covered += int(sample >> warp.uint32(24))
    number = samples * samples
    half = number // 2
    r = (red + half) // number
    g = (green + half) // number
    b = (blue + half) // number
    a = (covered + half) // number
    if mode == 2:
        if r > red_threshold:
            a = 255
        else:
            r = 0
            g = 0
            b = 0
            a = 0
    if mode != 0:
        uncovered = 255 - a
        r += (int(video[world, row, column, 0]) * uncovered + 127) // 255
        g += (int(video[world, row, column, 1]) * uncovered + 127) // 255
        b += (int(video[world, row, column, 2]) * uncovered + 127) // 255
    image[world, row, column, 0] = warp.uint8(warp.min(r, 255))
    image[world, row, column, 1] = warp.uint8(warp.min(g, 255))
    image[world, row, column, 2] = warp.uint8(warp.min(b, 255))
    matte[world, row, column] = warp.uint8(a)
