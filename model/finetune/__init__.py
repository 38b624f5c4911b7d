"""Fine-tuning of VoxCPM2, by LoRA or in full: `config.FineTuneConfig`, `train.fine_tune`, `lora.load`.

Nothing is imported here, so that the configuration can be read without PyTorch.
"""
