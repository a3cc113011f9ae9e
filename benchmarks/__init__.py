"""Side-by-side timings, run by hand or by `make bench`; nothing in the library or the course imports them."""
