"""Put a package into one file: `python scripts/pack.py FOLDER FILE.zip`; the same folder makes the same bytes."""

import sys
import zipfile
from pathlib import Path

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first instant that the format knows.  Bytecode is checked by hash or not at all, so no time matters."""


def pack(app: Path, file: Path) -> int:
    """Write all files of the folder, in their order; the size of the archive in bytes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in app.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(app).as_posix(), EPOCH)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o100644 << 16
            archive.writestr(entry, path.read_bytes())
    return file.stat().st_size


if __name__ == "__main__":
    print(f"{sys.argv[2]}: {pack(Path(sys.argv[1]), Path(sys.argv[2])) / 1e6:.1f} MB")
