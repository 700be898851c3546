"""Faces and labels: CelebA as people have it, drawn faces, the packed dataset, and samples of it."""
