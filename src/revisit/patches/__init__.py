"""Reading patch stores for training and evaluation."""
