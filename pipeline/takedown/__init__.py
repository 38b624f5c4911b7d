"""Takes recordings back: what a withdrawal means, and its removal everywhere below the workspace."""
