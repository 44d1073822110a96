"""The pretrain stage: loop, batches, optimisers, schedules, checkpoints, several GPUs."""
