"""napa_lib: losses, renderers, kinematics, models and training for human pose in works of art."""

import os

__version__ = "0.1.0"

# Before torch is imported: its threads (GNU's OpenMP, on Linux) wait for one another at every operation by spinning,
# 300,000 turns long. Where they have fewer cores than threads, on a busy computer or in a container with a CPU limit,
# they then spin instead of working, and a picture takes a minute. A hundredth of a millisecond is enough on free cores.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")
