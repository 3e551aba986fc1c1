"""What images and models hold: factors read from images, variances that factors induce, traversals of codes."""
