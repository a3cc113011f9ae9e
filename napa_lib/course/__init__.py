"""What makes the course of its lessons: runs, committed notebooks, their checks, and the site."""
