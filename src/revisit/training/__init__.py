"""The training loop, its checkpoints and the pretrain stage."""
