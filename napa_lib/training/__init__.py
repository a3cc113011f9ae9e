"""Training of the whole system on pictures: stages of the paper, resumable, on what ships."""
