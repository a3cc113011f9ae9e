"""napa_lib: losses, renderers, kinematics, models and training for human pose in works of art."""

__version__ = "0.1.0"
