"""Clips of computer-generated faces with 68 exact landmarks: read those that ship, make more.

Reading needs nothing beyond napa's own dependencies. Making (`python -m napa_lib.data.faces`) needs the package `anny`:
`pip install -e '.[synthesis]'` in a checkout, or `make faces`.
"""

from napa_lib.data.faces.reading import FaceClips, load_faces, read_faces

__all__ = ["FaceClips", "load_faces", "read_faces"]
