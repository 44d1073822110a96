"""What several pretraining methods share: draws, masks, augmentation, heads, queues, momentum, contrast."""
