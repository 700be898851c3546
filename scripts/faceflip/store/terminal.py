"""Pictures in terminals that can show them."""

import base64
import os
from collections.abc import Mapping

KITTY_CHUNK = 4096


def picture_escape(png: bytes, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the text that makes the terminal show a PNG, or None where it is not known to understand any.

    Known are the protocols of kitty (also Ghostty) and of iTerm2 (also WezTerm); neither passes tmux or screen.
    """
    if "TMUX" in environment or environment.get("TERM", "").startswith("screen"):
        return None
    program = environment.get("TERM_PROGRAM", "")
    data = base64.b64encode(png).decode("ascii")
    if environment.get("TERM") == "xterm-kitty" or program == "ghostty":
        chunks = [data[start : start + KITTY_CHUNK] for start in range(0, len(data), KITTY_CHUNK)]
        keys = ["a=T,f=100,", *[""] * (len(chunks) - 1)]
        more = [1] * (len(chunks) - 1) + [0]
        parts = (f"\x1b_G{key}m={m};{chunk}\x1b\\" for key, m, chunk in zip(keys, more, chunks, strict=True))
        return "".join(parts) + "\n"
    if program in ("iTerm.app", "WezTerm"):
        return f"\x1b]1337;File=inline=1;size={len(png)}:{data}\a\n"
    return None
