"""Run the lessons and write the site: `python -m napa_lib.course --help`."""

from napa_lib.console import forgive_encoding, run_command


def main() -> int:
    """The exit status."""
    from napa_lib.course.run import main as run

    return run()


if __name__ == "__main__":
    forgive_encoding()
    raise SystemExit(run_command("napa course", main))
