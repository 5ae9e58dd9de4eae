"""Names of entries: which are allowed, and which look the same to a reader.

- `name_fault`: why a name is refused: invisible characters, stray spaces, letters of two scripts in one word.
- `skeleton`: a form that is equal for names that look the same.
- `require_own_name`: refuses invalid names, and names that look like those of the reference policies.
"""

from __future__ import annotations

import re
import unicodedata

from ..errors import InvalidArgument
from .records import REFERENCES

# Letters of other scripts that look like Latin ones, from Unicode's confusables (UTS 39).
_LOOK_ALIKES = {
    other: latin
    for others, latins in (
        ("абвгеѕіјкмнорсԛтуԝхһԁӏ", "abbresijkmhopcqtywxhdl"),
        ("αβεζηικμνορτυχγ", "abeznikuvoptuxy"),
        ("օոսցզհ", "onugqh"),
        ("ɑɡıӏⅼ", "agill"),
    )
    for other, latin in zip(others, latins, strict=True)
}
_DIGITS = str.maketrans({"0": "o", "1": "l", "I": "l", "|": "l"})

# Unicode's Default_Ignorable_Code_Point outside the categories that a line refuses anyhow, and the blank Braille cell.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_WORD = re.compile(r"[^\W\d_]+")
# Greek is not in the list, as names such as β-VAE and μZero are common.
_ALONE = ("LATIN", "CYRILLIC", "ARMENIAN", "CHEROKEE")


def name_fault(name: str) -> str | None:
    """Why `name` cannot be an entry's name, in words that follow "the entry's name …"; `None` if it can.

    >>> name_fault("My agent"), name_fault("My agent ")
    (None, 'begins or ends with a space')
    """
    if name != name.strip():
        return "begins or ends with a space"
    if "  " in name or any(unicodedata.category(c) == "Zs" and c != " " for c in name):
        return "has spaces that cannot be told from one"
    if _INVISIBLE.search(name) or any(unicodedata.category(c).startswith("C") for c in name):
        return "has characters that cannot be seen"
    for word in _WORD.findall(name):
        scripts = {script for c in word if (script := _script(c))}
        if len(scripts) > 1:
            return f"mixes {' and '.join(sorted(s.capitalize() for s in scripts))} letters in {word!r}"
    return None


def skeleton(name: str) -> str:
    """The name without everything that a reader may overlook; equal for names that look the same.

    >>> skeleton("ЅАС") == skeleton("sac")
    True
    """
    decomposed = _INVISIBLE.sub("", unicodedata.normalize("NFKD", name))
    kept = "".join(c for c in decomposed if unicodedata.category(c)[0] not in "CM")
    plain = "".join(_LOOK_ALIKES.get(c.lower(), c) for c in kept).translate(_DIGITS).casefold()
    return " ".join(plain.split())


def require_own_name(name: str) -> None:
    """Raises `InvalidArgument` for a name that cannot be shown, or that looks like a reference policy's."""
    fault = name_fault(name)
    if fault:
        raise InvalidArgument(f"--entry {name!r} {fault}: give another one.")
    for reference in REFERENCES:
        if skeleton(name) == skeleton(reference):
            same = "is" if name == reference else "looks like"
            raise InvalidArgument(
                f"--entry {name!r} {same} the name of a reference policy: give another one."
            )


def _script(character: str) -> str | None:
    """The script of a letter, if it is one that is not mixed with others within a word, else `None`."""
    first = unicodedata.name(character, "").partition(" ")[0]
    return first if first in _ALONE else None
