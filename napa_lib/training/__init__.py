"""Training of the pose network G on pictures (NAPA, stage 2), from frozen features or from a warm start, resumable."""
