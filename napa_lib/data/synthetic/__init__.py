"""Pictures of computer-generated people with exact labels: read those that ship, make more.

Reading needs nothing beyond napa's own dependencies. Making (`python -m napa_lib.data.synthetic`) needs the package
`anny`: `pip install -e '.[synthesis]'` in a checkout, or `make synthetic`.
"""

from napa_lib.data.synthetic.reading import SyntheticClips, load_synthetic, read_shards
from napa_lib.data.synthetic.shards import LOOKS, MOVEMENTS, ShardError

__all__ = ["LOOKS", "MOVEMENTS", "ShardError", "SyntheticClips", "load_synthetic", "read_shards"]
