"""Trainer of voxcpm2-micro: AudioVAE, then the network."""
