"""Clips of computer-generated faces with 68 exact landmarks, made with the package `anny`.

    pip install -e '.[synthesis]'        # in a checkout; or make faces
    python -m napa_lib.makers.faces --help

`napa_lib.data.faces` reads what this writes, and needs nothing beyond napa's own dependencies.
"""
