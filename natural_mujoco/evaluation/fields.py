"""The types of texts and numbers in a results file, with their bounds.

- `Strict`: the base of every model, which refuses unknown fields, NaN and values of another type.
- `Line`, `LongLine`, `Sha256`, `Link`, `Condition`, … : bounded fields.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

# Letters, digits, signs and spaces of any script, but no control, formatting or private characters, as a name must not
# break a line or change the page's reading direction.
_PRINTABLE = r"^[^\p{C}\p{Zl}\p{Zp}]*$"
_LINK = r"^https?://[^\s\p{C}\"<>]+$"
_MEDIA = r"^[A-Za-z0-9_][A-Za-z0-9_. -]*(/[A-Za-z0-9_][A-Za-z0-9_. -]*)*$"
# There is only one spelling of a strength, so that a condition has only one name.
_CONDITION = r"^(standard|natural-(train|test)(@0\.\d?[1-9])?)$"
_SHA256 = r"^[0-9a-f]{64}$"

Condition = Annotated[str, Field(pattern=_CONDITION)]
Line = Annotated[str, Field(min_length=1, max_length=80, pattern=_PRINTABLE)]
LongLine = Annotated[str, Field(max_length=300, pattern=_PRINTABLE)]
Sha256 = Annotated[str, Field(pattern=_SHA256)]
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{7,64}(-modified)?$")]
Link = Annotated[str, Field(max_length=300, pattern=_LINK)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Return = Annotated[float, Field(ge=0, le=1000)]
Steps = Annotated[int, Field(ge=0, le=10**12)]
Hours = Annotated[float, Field(ge=0, le=10**7)]
ActionRepeat = Annotated[int, Field(ge=1, le=1000)]
Privileged = Literal["state", "state in training"]
MediaPath = Annotated[str, Field(max_length=200, pattern=_MEDIA)]

MEANINGS = {
    _PRINTABLE: "must be one line of printable text",
    _LINK: "must be an http:// or https:// address",
    _MEDIA: "must be a plain relative path",
    _CONDITION: "must be standard, natural-train, natural-test, or one of the latter two at a strength, as @0.5",
    _SHA256: "must be 64 hexadecimal digits",
}
"""The patterns above in words, for error messages."""


class Strict(BaseModel):
    """Base of the parts of a results file: frozen; refuses unknown fields, NaN, infinity and implicit conversions."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class VideoSet(Strict):
    """The video set behind the natural conditions, and the hash of its content."""

    name: Line
    manifest_hash: Sha256
