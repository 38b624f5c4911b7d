"""Labels of AI-generated audio: the label in the file, and C2PA manifests."""
