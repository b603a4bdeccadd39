package dev.mobilekit

/**
 * Step 2 of docs/preprocessing.md: stored pixels -> upright ones, [orientation] being EXIF's tag 0x0112. What is not
 * 2 to 8 leaves them as they are.
 */
fun oriented(stored: Pixels, orientation: Int): Pixels {
    if (orientation !in 2..8) return stored
    val channels = stored.channels
    val turned = orientation >= 5
    val bottomUp = orientation in setOf(3, 4, 6, 7)
    val rightLeft = orientation in setOf(2, 3, 7, 8)
    val row = (if (bottomUp) -1 else 1) * stored.width * channels
    val column = (if (rightLeft) -1 else 1) * channels
    val origin = (if (bottomUp) (stored.height - 1) * stored.width * channels else 0) +
        (if (rightLeft) (stored.width - 1) * channels else 0)
    val width = if (turned) stored.height else stored.width
    val height = if (turned) stored.width else stored.height
    val across = if (turned) row else column
    val down = if (turned) column else row
    val bytes = ByteArray(stored.bytes.size)
    var to = 0
    for (y in 0 until height) {
        var from = origin + y * down
        for (x in 0 until width) {
            for (channel in 0 until channels) bytes[to++] = stored.bytes[from + channel]
            from += across
        }
    }
    return Pixels(width, height, bytes, channels)
}
