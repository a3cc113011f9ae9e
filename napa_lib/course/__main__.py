"""Run the lessons and write the site: `python -m napa_lib.course --help`."""

from napa_lib.course.run import main

if __name__ == "__main__":
    raise SystemExit(main())
