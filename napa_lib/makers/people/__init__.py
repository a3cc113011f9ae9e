"""Pictures of computer-generated people with exact labels, made with the package `anny`.

    pip install -e '.[synthesis]'        # in a checkout; or make synthetic
    python -m napa_lib.makers.people --help

`napa_lib.data.synthetic` reads what this writes, and needs nothing beyond napa's own dependencies.
"""
