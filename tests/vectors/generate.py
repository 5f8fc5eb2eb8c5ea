"""Writes the QRE1 test vectors, one file for each condition, into a folder.

Usage: python generate.py OUT_DIR

Every byte follows from the vectors' names, so two runs give identical files. Each vector is opened
again by the strict reader of `qre1.py` before anything is written; a surprise stops the run.
"""

from __future__ import annotations

import sys
from collections import Counter
from itertools import chain
from pathlib import Path

import context_cases
import frame_cases
import key_cases


def main(out_dir: Path) -> None:
    vectors = {}
    for vector in chain(frame_cases.families(), key_cases.families(), context_cases.families()):
        if vector.name in vectors:
            raise SystemExit(f"{vector.name}: two vectors of this name")
        vector.verify()
        vectors[vector.name] = vector
    out_dir.mkdir(parents=True, exist_ok=True)
    for stale in {path.stem for path in out_dir.glob("*.json")} - vectors.keys():
        (out_dir / f"{stale}.json").unlink()
    for name, vector in vectors.items():
        (out_dir / f"{name}.json").write_text(vector.as_json(), encoding="ascii", newline="\n")
    counts = Counter(vector.expect for vector in vectors.values())
    print(f"{len(vectors)} vectors:", ", ".join(f"{count} {expect}" for expect, count in sorted(counts.items())))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
